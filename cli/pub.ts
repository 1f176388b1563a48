import { createReadStream, statSync } from "node:fs";
import { Readable } from "node:stream";

import type { Command } from "./command.ts";
import { CONNECTION_OPTIONS, openConnection, tellReconnects } from "./connection.ts";
import { CliError, ExitCode, UsageError } from "./errors.ts";
import { formatCount, formatDuration, formatSize, plural } from "./format.ts";
import { Interrupt } from "./interrupt.ts";
import { jsonFieldTime, noPace, RatePace, RecordedPace } from "./lines/pace.ts";
import type { Pace } from "./lines/pace.ts";
import { optionsHelp, parseArguments } from "./options.ts";
import type { OptionValues } from "./options.ts";
import { say } from "./output.ts";
import { AckedPublisher } from "./pub/acked-publisher.ts";
import type { LinePublisher } from "./pub/line-publisher.ts";
import { playLines } from "./pub/play-lines.ts";
import type { Input } from "./pub/play-lines.ts";
import { Progress } from "./pub/progress.ts";
import { UnackedPublisher } from "./pub/unacked-publisher.ts";
import { channelName, durationMs, positiveNumber, wholeNumber } from "./values.ts";

const DEFAULT_WINDOW = 512;
/** By default a broker remembers so many ids of a channel: what is repeated must be among them. */
const MAX_WINDOW = 1024;
const DEFAULT_GIVE_UP = "60s";
/** By default a broker remembers ids so long, ms: repeated later, a publication would be doubled. */
const MAX_GIVE_UP_MS = 120_000;
/** Bytes the client may hold; the window is the bound that counts. */
const MAX_CLIENT_BYTES = 64 * 1024 * 1024;

const OPTIONS = {
  file: {
    type: "string",
    short: "f",
    value: "<file>",
    text: "publish the lines of this file; - is standard input",
  },
  rate: { type: "string", value: "<n>", text: "lines a second; default: as fast as it goes" },
  "pace-by": {
    type: "string",
    value: "<field>",
    text: "replay JSON lines with the gaps of a numeric field in ms, such as ts or data.ts",
  },
  speed: { type: "string", value: "<x>", text: "with --pace-by: 2 plays twice as fast" },
  window: {
    type: "string",
    value: "<n>",
    text: `publications in flight, 1 to ${MAX_WINDOW}; default ${DEFAULT_WINDOW}`,
  },
  "no-ack": {
    type: "boolean",
    text: "fire and forget: faster, but what is under way when a connection breaks is lost",
  },
  "give-up": {
    type: "string",
    value: "<time>",
    text: `fail when the broker acknowledges nothing for so long, up to 2m; default ${DEFAULT_GIVE_UP}`,
  },
  quiet: { type: "boolean", short: "q", text: "no progress and no summary on standard error" },
  ...CONNECTION_OPTIONS,
} as const;

type Options = OptionValues<typeof OPTIONS>;

export const pub: Command = {
  help: () => `tickwire pub <channel> [payload] [options]

Publishes the payload, or each line of --file or of standard input. The bytes of
a line are published as they are, without the "\\n" that ends it: a "\\r" stays,
an empty line is a publication of no bytes, and a last line without "\\n" counts.
\`tickwire sub --raw\` puts the "\\n" back after each.

Each publication is acknowledged by the broker; one whose answer is lost with
its connection is repeated after the reconnect, and still published once. Where
the broker limits the rate, only --window 1 or a --rate below it keeps the order.

${optionsHelp(OPTIONS)}

Examples:
  tickwire pub chat.lobby 'hello'
  tickwire pub market.xrp --file quotes.ndjson --pace-by ts --speed 10
  tail -f app.log | tickwire pub logs.app --quiet

Exit codes: 0 all published, 1 not all, 2 wrong usage, 130 interrupted.`,

  async run(argv) {
    const request = readRequest(argv);
    const { options, channel, payload, input } = request;
    const isQuiet = options.quiet === true;
    const isAcked = options["no-ack"] !== true;
    const connection = await openConnection(options, {
      requestTimeoutMs: request.giveUpMs,
      maxBufferedBytes: MAX_CLIENT_BYTES,
      queueWhileDisconnected: isAcked && { maxCount: 2 * MAX_WINDOW, maxBytes: MAX_CLIENT_BYTES },
    });
    // Not before: while it connects, Ctrl-C ends the process as usual.
    const interrupt = new Interrupt();
    const { client } = connection;
    if (!isQuiet) tellReconnects(connection, say);
    const publisher = isAcked
      ? new AckedPublisher({ ...request, client })
      : new UnackedPublisher(client, channel);
    const startMs = performance.now();
    // Not over what somebody is typing.
    const isTyped = input !== null && (options.file ?? "-") === "-" && process.stdin.isTTY;
    const progress = new Progress(!isQuiet && !isTyped, () => statusLine(publisher, startMs));
    if (input === null) publisher.publish(Buffer.from(payload), 1);
    else await playLines(input, publisher, request.pace, interrupt);
    // After Ctrl-C what is under way has the two seconds that closing gives it.
    if (!interrupt.isRequested) await Promise.race([publisher.finished(), interrupt.requested]);
    const elapsedMs = performance.now() - startMs;
    await client.close();
    progress.end();
    if (!isQuiet) {
      say(summary(publisher, elapsedMs));
      if (request.pace instanceof RecordedPace && publisher.count > 0 && !request.pace.hasTimes) {
        say(`note: no line has a number in the field ${options["pace-by"]}; nothing was paced`);
      }
    }
    if (interrupt.code !== null) return interrupt.code;
    if (publisher.failure !== null) throw failed(publisher, input?.name ?? null);
    return ExitCode.done;
  },
};

interface Request {
  readonly options: Options;
  readonly channel: string;
  readonly payload: string;
  /** Null when the payload is what to publish. */
  readonly input: Input | null;
  readonly pace: Pace;
  readonly giveUpMs: number;
  readonly window: number;
}

/** @throws UsageError, or CliError for a file that cannot be had */
function readRequest(argv: readonly string[]): Request {
  const { options, positionals } = parseArguments(OPTIONS, argv);
  const [channel, payload, ...others] = positionals;
  if (channel === undefined) throw new UsageError("needs a channel");
  if (others.length > 0) {
    throw new UsageError("takes one payload; put quotes around one that has spaces");
  }
  if (payload !== undefined && options.file !== undefined) {
    throw new UsageError("takes either a payload or --file");
  }
  const ofLines = (["rate", "pace-by"] as const).find((name) => options[name] !== undefined);
  if (payload !== undefined && ofLines !== undefined) {
    throw new UsageError(`--${ofLines} is for lines, not for one payload`);
  }
  return {
    options,
    channel: channelName(channel),
    payload: payload ?? "",
    pace: readPace(options),
    giveUpMs: durationMs("--give-up", options["give-up"] ?? DEFAULT_GIVE_UP, MAX_GIVE_UP_MS),
    window: wholeNumber("--window", options.window ?? `${DEFAULT_WINDOW}`, 1, MAX_WINDOW),
    input: payload === undefined ? openInput(options.file) : null,
  };
}

function readPace(options: Options): Pace {
  const { rate, speed } = options;
  const field = options["pace-by"];
  if (rate !== undefined && field !== undefined) {
    throw new UsageError("--rate and --pace-by exclude each other");
  }
  if (speed !== undefined && field === undefined) throw new UsageError("--speed needs --pace-by");
  if (rate !== undefined) return new RatePace(positiveNumber("--rate", rate.replace(/\/s$/, "")));
  if (field === undefined) return noPace;
  return new RecordedPace(jsonFieldTime(field), positiveNumber("--speed", speed ?? "1"));
}

function openInput(file: string | undefined): Input {
  if (file === undefined || file === "-") {
    if (process.stdin.isTTY) say("reading lines from the terminal; Ctrl-D ends");
    return { stream: Bun.stdin.stream(), name: "standard input" };
  }
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) throw new CliError(`there is no file ${file}`);
  if (stats.isDirectory()) throw new CliError(`${file} is a folder`);
  // Bun's own stream waits for a device to be readable, which the kernel has no answer for of /dev/null.
  const stream = stats.isCharacterDevice() ? streamOf(file) : Bun.file(file).stream();
  return { stream, name: file };
}

function streamOf(file: string): ReadableStream<Uint8Array> {
  return Readable.toWeb(createReadStream(file)) as unknown as ReadableStream<Uint8Array>;
}

function statusLine({ count, bytes }: LinePublisher, startMs: number): string {
  const seconds = (performance.now() - startMs) / 1000;
  return `${formatCount(count)} published, ${formatSize(bytes)}, ${formatCount(count / seconds)}/s`;
}

function summary(publisher: LinePublisher, elapsedMs: number): string {
  const { count, bytes } = publisher;
  const isAcked = publisher instanceof AckedPublisher;
  const place = isAcked ? placeOf(publisher) : "";
  const rate = count > 1 ? ` (${formatCount((count * 1000) / elapsedMs)}/s)` : "";
  const what = plural(count, "publication");
  return `${isAcked ? "published" : "sent"} ${what}${place}, ${formatSize(bytes)}, in ${formatDuration(elapsedMs)}${rate}`;
}

function placeOf({ count, lastOffset, unplacedCount }: AckedPublisher): string {
  if (count === 1 && unplacedCount === 0) return ` at offset ${lastOffset ?? 0}`;
  if (unplacedCount === 0) return "";
  return count === unplacedCount ? " without an offset" : ` (${unplacedCount} without an offset)`;
}

function failed({ failure }: LinePublisher, inputName: string | null): CliError {
  const error = failure?.error;
  const number = failure?.number ?? null;
  const where = inputName === null || number === null ? "" : `line ${number} of ${inputName}: `;
  return new CliError(`${where}${error?.message} (${error?.code})`, { cause: error });
}
