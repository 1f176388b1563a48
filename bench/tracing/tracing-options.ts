import { MIN_PAYLOAD_BYTES } from "../load/payload.ts";
import { shapeNamed, shapes } from "../shapes.ts";
import type { Shape } from "../shapes.ts";
import { list, parseFlags, seconds, UsageError, whole } from "../support/arguments.ts";

/** Ways the broker is run, from least tracing to most; `control` is `off` once more. */
export const tracingModes = ["off", "control", "recorder", "unsampled", "sampled"] as const;

export type TracingMode = (typeof tracingModes)[number];

/** CPU per delivery over that without tracing which we want to stay under. */
export const cpuTargets: Readonly<Record<TracingMode, number>> = {
  off: 1,
  control: 1,
  recorder: 1.02,
  unsampled: 1.02,
  sampled: 1.05,
};

export interface TracingBenchOptions {
  readonly rounds: number;
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly shapes: readonly Shape[];
  readonly payloadBytes: number;
  readonly pins: boolean;
  readonly entry: string | null;
  readonly json: boolean;
}

const usual = ["1:1", "1:100", "pairs"];

export const tracingUsage = `Usage: npm run bench -- --tracing [options]

Measures what tracing costs: broker CPU per delivery with the flight recorder off and no exporter (off, and once
more as control: how far apart two equal brokers come out),
with the recorder as it is by default (recorder), with traces exported but none sampled (unsampled), and with
one publication of a thousand sampled and exported (sampled). Every round runs all five side by side, in turns of
a tenth of a second.

  --rounds N          rounds (10)
  --seconds S         length of one measurement, in its turns (2)
  --warm-up S         load before it, in its turns: long enough for all code to be compiled (6)
  --shapes LIST       of ${shapes.map((shape) => shape.name).join(",")} (${usual.join(",")})
  --payload BYTES     payload size, at least ${MIN_PAYLOAD_BYTES} (64)
  --no-pin            let the scheduler place broker and generator
  --entry FILE        main of another Tickwire checkout to measure
  --json              the result as JSON on standard output, and nothing else there
  --help              this text

No figure makes it fail. It ends with 1 when deliveries were lost, doubled, reordered or corrupted, or
a cell could not run; with 2 when the options make no sense.
`;

/** @throws UsageError */
export function parseTracingOptions(argv: readonly string[]): TracingBenchOptions | "help" {
  const values = parse(argv);
  if (values.help) return "help";
  return {
    rounds: whole("rounds", values.rounds, 1, 1000),
    measureMs: seconds("seconds", values.seconds),
    warmUpMs: seconds("warm-up", values["warm-up"]),
    shapes: list(values.shapes).map(parseShape),
    payloadBytes: whole("payload", values.payload, MIN_PAYLOAD_BYTES, 60_000),
    pins: !values["no-pin"],
    entry: values.entry ?? null,
    json: values.json,
  };
}

function parse(argv: readonly string[]) {
  return parseFlags(argv, {
    tracing: { type: "boolean", default: true },
    rounds: { type: "string", default: "10" },
    seconds: { type: "string", default: "2" },
    "warm-up": { type: "string", default: "6" },
    shapes: { type: "string", default: usual.join(",") },
    payload: { type: "string", default: "64" },
    "no-pin": { type: "boolean", default: false },
    entry: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  });
}

function parseShape(name: string): Shape {
  const found = shapeNamed(name);
  if (found !== null) return found;
  const known = shapes.map((shape) => shape.name).join(", ");
  throw new UsageError(`--shapes: ${name} is none of ${known}`);
}
