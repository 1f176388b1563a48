import { list, parseFlags, seconds, UsageError, whole } from "../support/arguments.ts";

const PARTS = ["pass", "saturation"] as const;
export type Part = (typeof PARTS)[number];

export interface TransformBenchOptions {
  readonly rounds: number;
  readonly parts: readonly Part[];
  /** Length of a pass-through measurement, of the load before any, and of a saturation measurement, ms. */
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly saturationMs: number;
  readonly payloadBytes: number;
  readonly channels: number;
  readonly windowSize: number;
  readonly taskMs: number;
  readonly workers: number;
  /** Main of the Tickwire broker to start; null for this tree's. */
  readonly entry: string | null;
  readonly json: boolean;
}

export const transformsUsage = `Usage: npm run bench -- --transforms [options]

Measures what a transform costs that lets everything pass, against a task of a pool for each message,
and what channels without transforms feel of workers that are busy. bench/README.md says how to read
the result.

  --rounds N          rounds; every round runs every cell once (5)
  --parts LIST        of ${PARTS.join(",")} (both)
  --seconds S         length of a pass-through measurement (1)
  --warm-up S         load before a measurement (0.7)
  --saturation S      length of a saturation measurement (3)
  --payload N         payload size in bytes (64)
  --channels N        channels, each with an order of its own (64)
  --window N          messages under way (4096)
  --task-ms N         how long the busy transform takes for a message (20)
  --workers N         its workers (1)
  --entry FILE        main of another Tickwire checkout to measure, for saturation
  --json              the result as JSON on standard output, and nothing else there
  --help              this text

No figure makes it fail. It ends with 1 when a cell could not run; with 2 when the options make no sense.
`;

/** @throws UsageError */
export function parseTransformOptions(argv: readonly string[]): TransformBenchOptions | "help" {
  const values = parse(argv);
  if (values.help) return "help";
  return {
    rounds: whole("rounds", values.rounds, 1, 1000),
    parts: list(values.parts).map(parsePart),
    measureMs: seconds("seconds", values.seconds),
    warmUpMs: seconds("warm-up", values["warm-up"]),
    saturationMs: seconds("saturation", values.saturation),
    payloadBytes: whole("payload", values.payload, 1, 60_000),
    channels: whole("channels", values.channels, 1, 10_000),
    windowSize: whole("window", values.window, 1, 60_000),
    taskMs: whole("task-ms", values["task-ms"], 1, 900),
    workers: whole("workers", values.workers, 1, 16),
    entry: values.entry ?? null,
    json: values.json,
  };
}

function parse(argv: readonly string[]) {
  return parseFlags(argv, {
    transforms: { type: "boolean", default: true },
    rounds: { type: "string", default: "5" },
    parts: { type: "string", default: PARTS.join(",") },
    seconds: { type: "string", default: "1" },
    "warm-up": { type: "string", default: "0.7" },
    saturation: { type: "string", default: "3" },
    payload: { type: "string", default: "64" },
    channels: { type: "string", default: "64" },
    window: { type: "string", default: "4096" },
    "task-ms": { type: "string", default: "20" },
    workers: { type: "string", default: "1" },
    entry: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  });
}

function parsePart(name: string): Part {
  const found = PARTS.find((part) => part === name);
  if (found !== undefined) return found;
  throw new UsageError(`--parts: ${name} is none of ${PARTS.join(", ")}`);
}
