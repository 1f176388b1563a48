import type { Command } from "./command.ts";
import { tellMissing } from "./coverage.ts";
import type { Coverage } from "./coverage.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { formatCount } from "./format.ts";
import { Interrupt } from "./interrupt.ts";
import { optionsHelp, parseArguments } from "./options.ts";
import { print } from "./output.ts";
import { endWhenReaderGoes } from "./reader-gone.ts";
import { formatMs } from "./trace/format-ms.ts";
import { askNodes, NODE_OPTIONS } from "./trace/nodes.ts";
import { table } from "./trace/table.ts";
import { JSON_OPTION } from "./transform/arguments.ts";
import { wholeNumber } from "./values.ts";

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 1000;
const WATCH_MS = 2000;
/** Clears a terminal and goes to its first line. */
const CLEAR = "\u001B[2J\u001B[H";

const OPTIONS = {
  limit: {
    type: "string",
    short: "n",
    value: "<n>",
    text: `entries at most, up to ${MAX_LIMIT}; default: ${DEFAULT_LIMIT}`,
  },
  watch: { type: "boolean", text: "look again every 2 s, until Ctrl-C" },
  json: JSON_OPTION,
  ...NODE_OPTIONS,
} as const;

/** A row of `GET /v1/slow`. */
interface Slow {
  readonly connection: string;
  readonly user: string | null;
  readonly channel: string;
  readonly worstMs: number;
  readonly count: number;
  readonly seenBy: string;
  readonly lastAtMs: number;
  readonly traceId: string | null;
}

interface NodeSlow extends Slow {
  readonly node: string;
}

export const slow: Command = {
  help: () => `tickwire slow [options]

Subscribers that got publications later than slowMs in the last five minutes, the
slowest first: who, on which channel, how late, and the trace that explains the
newest one. \`receipt\` was told by the client itself, \`queue\` is what the broker
saw wait for its socket.

${optionsHelp(OPTIONS)}

Examples:
  tickwire slow --watch
  tickwire slow --url http://node-a:9300 --url http://node-b:9300 --json

Exit codes: 0 done, also when nobody is slow; 1 failed; 2 wrong usage.`,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    if (positionals.length > 0) throw new UsageError("takes no arguments");
    const limit =
      options.limit === undefined
        ? DEFAULT_LIMIT
        : wholeNumber("--limit", options.limit, 1, MAX_LIMIT);
    const look = async (): Promise<string> => {
      const found = await slowest(options, limit);
      return options.json === true ? `${JSON.stringify(found)}\n` : `${slowText(found)}\n`;
    };
    if (options.watch !== true) {
      await print(await look());
      return ExitCode.done;
    }
    const interrupt = new Interrupt();
    await endWhenReaderGoes();
    const isScreen = options.json !== true && process.stdout.isTTY;
    while (!interrupt.isRequested) {
      await print(`${isScreen ? CLEAR : ""}${await look()}`);
      await Promise.race([Bun.sleep(WATCH_MS), interrupt.requested]);
    }
    return ExitCode.done;
  },
};

async function slowest(
  options: Parameters<typeof askNodes>[0],
  limit: number,
): Promise<readonly NodeSlow[]> {
  const answers = await askNodes<Coverage & { node: string; slow: readonly Slow[] }>(
    options,
    `/v1/slow?limit=${limit}`,
  );
  for (const answer of answers) tellMissing(answer);
  const all = answers.flatMap((answer) =>
    answer.slow.map((one) => ({ node: answer.node, ...one })),
  );
  // Each of a cluster's nodes tells of all of them.
  const byPlace = new Map(all.map((one) => [`${one.connection} ${one.channel}`, one]));
  return [...byPlace.values()].toSorted((a, b) => b.worstMs - a.worstMs).slice(0, limit);
}

function slowText(found: readonly NodeSlow[]): string {
  if (found.length === 0) return "nobody was slow in the last five minutes";
  const rows = found.map((one) => [
    formatMs(one.worstMs).padStart(9),
    formatCount(one.count).padStart(6),
    one.seenBy,
    one.channel,
    one.user ?? "-",
    one.connection,
    one.node,
    new Date(one.lastAtMs).toISOString().slice(11, 19),
    one.traceId ?? "-",
  ]);
  const head = ["    worst", " count", "seen", "channel", "user", "connection", "node", "last"];
  return table([...head, "trace"], rows);
}
