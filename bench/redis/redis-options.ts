import { MIN_PAYLOAD_BYTES } from "../load/payload.ts";
import { list, parseFlags, seconds, UsageError, whole } from "../support/arguments.ts";
import { historyKinds, redisShapeNamed, redisShapes } from "./redis-shapes.ts";
import type { HistoryKind, RedisShape } from "./redis-shapes.ts";

export interface RedisBenchOptions {
  readonly rounds: number;
  /** Length of one measurement, and of the load before it, ms. */
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly shapes: readonly RedisShape[];
  readonly histories: readonly HistoryKind[];
  readonly payloads: readonly number[];
  /** Publish frames per WebSocket message. */
  readonly batch: number;
  /** Redis servers that run already; empty to start one for each cell. */
  readonly redisUrls: readonly string[];
  /** Main of the Tickwire broker to start; null for this tree's. */
  readonly entry: string | null;
  readonly cpuProf: boolean;
  readonly json: boolean;
}

export const redisUsage = `Usage: npm run bench -- --redis [options]

Starts a Redis server and two Tickwire nodes for each cell, publishes on one and subscribes on the
other, and measures what Redis and the nodes spend on it. bench/README.md says how to read the result.

  --rounds N          rounds; every round runs every cell once (3)
  --seconds S         length of one measurement (1)
  --warm-up S         load before it, not measured (1.2)
  --shapes LIST       of ${redisShapes.map((shape) => shape.name).join(",")} (all)
  --histories LIST    of ${historyKinds.join(",")} (both)
  --payloads LIST     payload sizes in bytes, at least ${MIN_PAYLOAD_BYTES} (64)
  --batch N           publish frames per WebSocket message (1)
  --redis-url LIST    Redis servers that run already, as redis:// URLs; nothing else should use
                      them. What the nodes keep there is removed after each cell
  --entry FILE        main of another Tickwire checkout to measure
  --cpu-prof          have the nodes write CPU profiles; their figures are then not comparable
  --json              the result as JSON on standard output, and nothing else there
  --help              this text

No figure makes it fail. It ends with 1 when deliveries were lost, doubled, reordered or corrupted, or
a cell could not run; with 2 when the options make no sense.
`;

/** @throws UsageError */
export function parseRedisOptions(argv: readonly string[]): RedisBenchOptions | "help" {
  const values = parse(argv);
  if (values.help) return "help";
  const urls = values["redis-url"];
  return {
    rounds: whole("rounds", values.rounds, 1, 1000),
    measureMs: seconds("seconds", values.seconds),
    warmUpMs: seconds("warm-up", values["warm-up"]),
    shapes: list(values.shapes).map(parseShape),
    histories: list(values.histories).map(parseHistory),
    payloads: list(values.payloads).map((text) =>
      whole("payloads", text, MIN_PAYLOAD_BYTES, 60_000),
    ),
    batch: whole("batch", values.batch, 1, 256),
    redisUrls: urls === undefined ? [] : list(urls).map(parseUrl),
    entry: values.entry ?? null,
    cpuProf: values["cpu-prof"],
    json: values.json,
  };
}

function parse(argv: readonly string[]) {
  return parseFlags(argv, {
    redis: { type: "boolean", default: true },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
    "warm-up": { type: "string", default: "1.2" },
    shapes: { type: "string", default: redisShapes.map((shape) => shape.name).join(",") },
    histories: { type: "string", default: historyKinds.join(",") },
    payloads: { type: "string", default: "64" },
    batch: { type: "string", default: "1" },
    "redis-url": { type: "string" },
    entry: { type: "string" },
    "cpu-prof": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  });
}

function parseShape(name: string): RedisShape {
  const found = redisShapeNamed(name);
  if (found !== null) return found;
  const known = redisShapes.map((shape) => shape.name).join(", ");
  throw new UsageError(`--shapes: over Redis, ${name} is none of ${known}`);
}

function parseHistory(name: string): HistoryKind {
  const found = historyKinds.find((kind) => kind === name);
  if (found !== undefined) return found;
  throw new UsageError(`--histories: ${name} is neither ${historyKinds.join(" nor ")}`);
}

function parseUrl(text: string): string {
  const { protocol } = URL.parse(text) ?? {};
  if (protocol === "redis:" || protocol === "rediss:") return text;
  throw new UsageError("--redis-url must look like redis://host:port");
}
