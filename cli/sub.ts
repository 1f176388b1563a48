import type { StreamPosition } from "../client/index.ts";
import { channelNameKind } from "../protocol/channel-name.ts";
import { MAX_HISTORY_LIMIT } from "../protocol/limits.ts";
import type { Command } from "./command.ts";
import { CONNECTION_OPTIONS, openConnection } from "./connection.ts";
import { CliError, ExitCode, UsageError } from "./errors.ts";
import { Interrupt } from "./interrupt.ts";
import { optionsHelp, parseArguments } from "./options.ts";
import type { OptionValues } from "./options.ts";
import { say } from "./output.ts";
import { endWhenReaderGoes } from "./reader-gone.ts";
import { Listener } from "./sub/listener.ts";
import { publicationWriter } from "./sub/publication-format.ts";
import { channelOrPattern, durationMs, wholeNumber } from "./values.ts";

/** How long an interrupted command waits for the reader of its output, ms. */
const STOP_WAIT_MS = 1000;

const OPTIONS = {
  raw: { type: "boolean", text: 'the payload\'s bytes and "\\n", nothing else' },
  json: { type: "boolean", text: "one JSON object a line: channel, offset, epoch, payload" },
  full: { type: "boolean", text: "do not cut long payloads to the width of the terminal" },
  count: { type: "string", short: "n", value: "<n>", text: "end after so many publications" },
  timeout: { type: "string", value: "<time>", text: "end after this time; with --count a failure" },
  last: {
    type: "string",
    value: "<n>",
    text: `begin with the newest n of history, up to ${MAX_HISTORY_LIMIT}; not for patterns`,
  },
  since: {
    type: "string",
    value: "<offset@epoch>",
    text: "begin after this position, as --json prints it; for one channel",
  },
  strict: { type: "boolean", text: "fail as soon as a publication is known to be missing" },
  quiet: { type: "boolean", short: "q", text: "on standard error only what went wrong" },
  ...CONNECTION_OPTIONS,
} as const;

type Options = OptionValues<typeof OPTIONS>;

export const sub: Command = {
  help: () => `tickwire sub <channel|pattern>... [options]

Prints what is published. In a pattern * stands for one segment of the name and
> for all that follow; put quotes around it. Over reconnects it recovers what it
missed, and says so on standard error, or says that it could not.

${optionsHelp(OPTIONS)}

Examples:
  tickwire sub 'market.>'
  tickwire sub market.xrp --raw --count 1000 > quotes.ndjson

Exit codes: 0 ended by --count, --timeout or, without --count, Ctrl-C; 1 failed;
2 wrong usage; 130 interrupted before --count was reached.`,

  async run(argv) {
    const { options, positionals: names } = parseArguments(OPTIONS, argv);
    if (names.length === 0) throw new UsageError("needs a channel or a pattern");
    for (const name of names) channelOrPattern(name);
    if (options.raw === true && options.json === true) {
      throw new UsageError("--raw and --json exclude each other");
    }
    const format = options.raw === true ? "raw" : options.json === true ? "json" : "pretty";
    const count = options.count === undefined ? null : wholeNumber("--count", options.count, 1);
    const timeoutMs =
      options.timeout === undefined ? null : durationMs("--timeout", options.timeout);
    const recover = readRecover(options, names);
    const connection = await openConnection(options);
    // Not before: while it connects, Ctrl-C ends the process as usual.
    const interrupt = new Interrupt();
    await endWhenReaderGoes();
    const listener = new Listener(connection, {
      names: [...new Set(names)],
      write: publicationWriter(format, options.full === true),
      count,
      recover,
      isStrict: options.strict === true,
      isQuiet: options.quiet === true,
    });
    const timeout = timeoutAfter(timeoutMs);
    try {
      await Promise.race([listener.ended, interrupt.requested, timeout]);
    } finally {
      const isPatient = !interrupt.isRequested;
      await Promise.race([listener.stop(), ...(isPatient ? [] : [Bun.sleep(STOP_WAIT_MS)])]);
      await connection.client.close();
      // The terminal has written ^C: the prompt is to begin on a line of its own.
      if (interrupt.code === ExitCode.interrupted && process.stderr.isTTY) say("");
    }
    if (count === null || listener.count >= count) return ExitCode.done;
    if (interrupt.code !== null) return interrupt.code;
    throw new CliError(`got ${listener.count} of ${count} publications in ${options.timeout}`);
  },
};

function readRecover(
  { last, since }: Options,
  names: readonly string[],
): { last: number } | StreamPosition | null {
  if (last !== undefined && since !== undefined) {
    throw new UsageError("--last and --since exclude each other");
  }
  if (last === undefined && since === undefined) return null;
  const flag = last === undefined ? "--since" : "--last";
  const pattern = names.find((name) => channelNameKind(name) === "pattern");
  if (pattern !== undefined) throw new UsageError(`${flag} is not for patterns such as ${pattern}`);
  if (last !== undefined) return { last: wholeNumber("--last", last, 1, MAX_HISTORY_LIMIT) };
  if (names.length > 1) throw new UsageError("--since is for one channel");
  const [, offset, epoch] = /^(\d+)@(.+)$/.exec(since ?? "") ?? [];
  if (offset === undefined || epoch === undefined) {
    throw new UsageError("--since must be <offset>@<epoch>, as --json prints them");
  }
  return { offset: wholeNumber("--since", offset, 0), epoch };
}

/** Resolves after this time; never when there is none. */
function timeoutAfter(timeoutMs: number | null): Promise<void> {
  return timeoutMs === null ? new Promise(() => {}) : Bun.sleep(timeoutMs);
}
