import { MIN_PAYLOAD_BYTES } from "./load/payload.ts";
import { shapeNamed, shapes } from "./shapes.ts";
import type { Shape } from "./shapes.ts";
import { list, parseFlags, seconds, UsageError, whole } from "./support/arguments.ts";

export type BrokerName = "tickwire" | "bare";

export interface BenchOptions {
  readonly rounds: number;
  /** Length of one measurement, and of the warm-up before it, ms. */
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly shapes: readonly Shape[];
  readonly payloads: readonly number[];
  readonly brokers: readonly BrokerName[];
  /** Publish frames per WebSocket message to Tickwire; the reference always gets one. */
  readonly batch: number;
  readonly measuresLatency: boolean;
  /** Share of the measured capacity that the latency cells offer at most. */
  readonly latencyLoad: number;
  readonly pins: boolean;
  readonly cpuProf: boolean;
  readonly json: boolean;
  readonly access: "token" | "anonymous";
  /** Main of the Tickwire broker to start; null for this tree's. */
  readonly entry: string | null;
  /** A broker that already runs, instead of starting any. */
  readonly running: RunningBroker | null;
}

export interface RunningBroker {
  readonly hostname: string;
  readonly port: number;
  readonly pid: number | null;
  readonly token: string | null;
}

export const usage = `Usage: npm run bench -- [options]

Measures broker CPU per delivery, deliveries per second and latency, side by side with a bare Bun
server in interleaved rounds. bench/README.md says how to read the result.

  --redis             two nodes over Redis instead; see --redis --help
  --transforms        transforms instead; see --transforms --help
  --tracing           what tracing costs instead; see --tracing --help
  --rounds N          rounds; every round runs every cell once with every broker (5)
  --seconds S         length of one measurement (0.8)
  --warm-up S         load before it, not measured (0.5)
  --shapes LIST       of ${shapes.map((shape) => shape.name).join(",")} (all)
  --payloads LIST     payload sizes in bytes, at least ${MIN_PAYLOAD_BYTES} (64,1024)
  --brokers LIST      of tickwire,bare (both)
  --batch N           publish frames per WebSocket message to Tickwire (1)
  --load SHARE        of the measured capacity, offered at most in the latency cells (0.1)
  --no-latency        leave out the latency cells
  --no-pin            let the scheduler place broker and generator
  --access KIND       token: every connection brings one and it is checked; anonymous (token)
  --entry FILE        main of another Tickwire checkout to measure
  --cpu-prof          have the broker write CPU profiles; its figures are then not comparable
  --json              the result as JSON on standard output, and nothing else there
  --url URL           load a Tickwire broker that already runs; with
    --pid N             its process on this machine, for CPU figures
    --token TOKEN       the token to connect with
  --help              this text

No figure makes it fail. It ends with 1 when deliveries were lost, doubled, reordered or corrupted, or
a cell could not run; with 2 when the options make no sense.
`;

/** @throws UsageError */
export function parseOptions(argv: readonly string[]): BenchOptions | "help" {
  const values = parse(argv);
  if (values.help) return "help";
  const running = values.url === undefined ? null : runningBroker(values);
  if (running === null && (values.pid ?? values.token) !== undefined) {
    throw new UsageError("--pid and --token go with --url");
  }
  return {
    rounds: whole("rounds", values.rounds, 1, 1000),
    measureMs: seconds("seconds", values.seconds),
    warmUpMs: seconds("warm-up", values["warm-up"]),
    shapes: list(values.shapes).map(parseShape),
    payloads: list(values.payloads).map((text) =>
      whole("payloads", text, MIN_PAYLOAD_BYTES, 60_000),
    ),
    brokers: running === null ? list(values.brokers).map(parseBroker) : ["tickwire"],
    batch: whole("batch", values.batch, 1, 256),
    measuresLatency: !values["no-latency"],
    latencyLoad: share(values.load),
    pins: !values["no-pin"],
    cpuProf: values["cpu-prof"],
    json: values.json,
    access: parseAccess(values.access),
    entry: values.entry ?? null,
    running,
  };
}

function parse(argv: readonly string[]) {
  return parseFlags(argv, {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "0.8" },
    "warm-up": { type: "string", default: "0.5" },
    shapes: { type: "string", default: shapes.map((one) => one.name).join(",") },
    payloads: { type: "string", default: "64,1024" },
    brokers: { type: "string", default: "tickwire,bare" },
    batch: { type: "string", default: "1" },
    load: { type: "string", default: "0.1" },
    "no-latency": { type: "boolean", default: false },
    "no-pin": { type: "boolean", default: false },
    "cpu-prof": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    access: { type: "string", default: "token" },
    entry: { type: "string" },
    url: { type: "string" },
    pid: { type: "string" },
    token: { type: "string" },
  });
}

function runningBroker(values: { url?: string; pid?: string; token?: string }): RunningBroker {
  const url = URL.parse(values.url ?? "");
  if (url?.protocol !== "ws:") throw new UsageError("--url must look like ws://host:port");
  return {
    hostname: url.hostname,
    port: Number(url.port || 80),
    pid: values.pid === undefined ? null : whole("pid", values.pid, 1, 2 ** 31),
    token: values.token ?? null,
  };
}

function parseShape(name: string): Shape {
  const found = shapeNamed(name);
  if (found === null) {
    throw new UsageError(
      `--shapes: ${name} is none of ${shapes.map((one) => one.name).join(", ")}`,
    );
  }
  return found;
}

function parseBroker(name: string): BrokerName {
  if (name === "tickwire" || name === "bare") return name;
  throw new UsageError(`--brokers: ${name} is neither tickwire nor bare`);
}

function parseAccess(kind: string): "token" | "anonymous" {
  if (kind === "token" || kind === "anonymous") return kind;
  throw new UsageError(`--access: ${kind} is neither token nor anonymous`);
}

function share(text: string): number {
  const value = Number(text);
  if (text !== "" && value > 0 && value <= 1) return value;
  throw new UsageError(`--load must be above 0 and at most 1, not ${text}`);
}
