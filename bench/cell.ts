import { bareCommand, BrokerProcess, tickwireCommand } from "./broker-process.ts";
import { generate } from "./generator-process.ts";
import type { Access, LoadJob, LoadResult, Pace } from "./load/job.ts";
import type { BenchOptions, BrokerName } from "./options.ts";
import type { Shape } from "./shapes.ts";
import type { Children } from "./support/children.ts";
import type { Pinning } from "./support/environment.ts";

/** A broker that keeps a delivery back for longer has lost it, ms. */
export const MAX_SILENCE_MS = 5000;

/** One measurement: a broker, a shape, a payload size, a pace. */
export interface Cell {
  readonly round: number;
  readonly broker: BrokerName;
  readonly shape: Shape;
  readonly payloadBytes: number;
  readonly pace: Pace;
}

export interface CellResult {
  readonly cell: Cell;
  /** Null when the cell could not be run; `error` says why. */
  readonly load: LoadResult | null;
  readonly error: string | null;
}

export interface CellContext {
  readonly options: BenchOptions;
  readonly children: Children;
  readonly pinning: Pinning | null;
  /** Directory for the profiles of all cells; null when none are wanted. */
  readonly profileDir: string | null;
  /** Signs the tokens of one run. */
  readonly secret: string;
}

/** Runs one cell with a broker and a generator started for it alone. Never rejects. */
export async function runCell(context: CellContext, cell: Cell): Promise<CellResult> {
  try {
    return { cell, load: await measure(context, cell), error: null };
  } catch (error) {
    return { cell, load: null, error: error instanceof Error ? error.message : String(error) };
  }
}

async function measure(context: CellContext, cell: Cell): Promise<LoadResult> {
  const { running } = context.options;
  if (running !== null) {
    const access: Access =
      running.token === null ? { type: "anonymous" } : { type: "token", token: running.token };
    const { hostname, port, pid } = running;
    const job = { ...jobOf(context, cell), hostname, port, brokerPid: pid, access };
    return generate(context.children, job, pinningOf(context, cell)?.load ?? null);
  }
  const access: Access =
    cell.broker === "tickwire" && context.options.access === "token"
      ? { type: "secret", secret: context.secret }
      : { type: "anonymous" };
  const pinning = pinningOf(context, cell);
  await using broker = await BrokerProcess.start(context.children, {
    command: cell.broker === "bare" ? bareCommand() : tickwireCommand(context.options.entry),
    env: access.type === "secret" ? { TICKWIRE_TOKEN_SECRET: access.secret } : {},
    processor: pinning?.broker ?? null,
    profileDir: context.profileDir === null ? null : `${context.profileDir}/${cellName(cell)}`,
  });
  const address = { hostname: "127.0.0.1", port: broker.port, brokerPid: broker.pid };
  const job = { ...jobOf(context, cell), ...address, access };
  return await generate(context.children, job, pinning?.load ?? null);
}

function jobOf(
  { options }: CellContext,
  { broker, shape, payloadBytes, pace }: Cell,
): Omit<LoadJob, "hostname" | "port" | "brokerPid" | "access"> {
  return {
    dialect: broker,
    publishers: shape.publishers,
    subscribersPerChannel: shape.subscribersPerChannel,
    payloadBytes,
    // A latency cell sends by the clock: there is nothing to batch.
    framesPerMessage: broker === "tickwire" && pace.type === "closed" ? options.batch : 1,
    pace,
    warmUpMs: options.warmUpMs,
    measureMs: options.measureMs,
    maxSilenceMs: MAX_SILENCE_MS,
    subscribeAt: null,
    redisUrls: [],
  };
}

/**
 * Only capacity cells are pinned. In a latency cell the runtime's own threads (garbage collection above
 * all) must find another processor free, or they stop the thread that is being timed for milliseconds.
 */
function pinningOf({ pinning }: CellContext, { pace }: Cell): Pinning | null {
  return pace.type === "closed" ? pinning : null;
}

/** Names a cell in a path. */
function cellName({ round, broker, shape, payloadBytes, pace }: Cell): string {
  return [broker, shape.name.replace(":", "-to-"), payloadBytes, pace.type, round].join("-");
}
