import { median, spread } from "../support/stats.ts";
import type { Spread } from "../support/stats.ts";
import { MODES } from "./cells.ts";
import type { CellResult, Mode, SaturationResult } from "./cells.ts";
import type { PassJob, PassResult } from "./job.ts";

/** Rounds of one way to let messages pass. Figures that could not be had are null. */
export interface PassSummary {
  readonly way: PassJob["way"];
  readonly messagesPerSecond: Spread | null;
  /** What a processor of the worker's own could do: messages over the CPU time of its thread. */
  readonly perWorkerCore: Spread | null;
  /** CPU per message, us: of the thread that submits, of the worker's, of the process. */
  readonly brokerThreadUs: Spread | null;
  readonly workerThreadUs: Spread | null;
  readonly processUs: Spread | null;
  readonly meanBatch: number | null;
}

export interface SaturationSummary {
  readonly mode: Mode;
  readonly p50Us: Spread | null;
  readonly p99Us: Spread | null;
  readonly maxUs: Spread | null;
  /** Lateness of a timer in the broker, us. */
  readonly loopP50Us: Spread | null;
  readonly loopP99Us: Spread | null;
  readonly loopMaxUs: Spread | null;
  /** Without what the broker's thread spent waiting for a processor. */
  readonly loopOwnP99Us: Spread | null;
  readonly tasksPerSecond: Spread | null;
  readonly brokerBusy: number | null;
  readonly othersBusy: number | null;
}

/** A figure beside what is asked of it. */
export interface Target {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly target: number;
  readonly isAtLeast: boolean;
  readonly isMet: boolean;
}

export interface TransformSummary {
  readonly pass: readonly PassSummary[];
  readonly saturation: readonly SaturationSummary[];
  /** Messages a second through the runner over those one by one, and the same of CPU time; null without both. */
  readonly rateRatio: number | null;
  readonly cpuRatio: number | null;
  readonly targets: readonly Target[];
}

export function summarizeTransforms(results: readonly CellResult[]): TransformSummary {
  const pass = (["runner", "naive"] as const).flatMap((way) => summarizePass(way, results));
  const saturation = MODES.flatMap((mode) => summarizeSaturation(mode, results));
  const [runner, naive] = (["runner", "naive"] as const).map((way) =>
    pass.find((one) => one.way === way),
  );
  return {
    pass,
    saturation,
    rateRatio: ratio(runner?.messagesPerSecond, naive?.messagesPerSecond),
    cpuRatio: ratio(naive?.processUs, runner?.processUs),
    targets: [
      target("messages/s per worker core", runner?.perWorkerCore?.median, "", 500_000, true),
      target("CPU on the broker's thread", runner?.brokerThreadUs?.median, "us", 1, false),
      target("p99 while the pool is busy, over idle", busyRatio(results), "", 1.5, false),
      target(
        "event loop delay p99 while the pool is busy",
        inMs(saturation.find(({ mode }) => mode === "pool")?.loopP99Us?.median),
        "ms",
        2,
        false,
      ),
      target(
        "the same without waiting for a processor",
        inMs(saturation.find(({ mode }) => mode === "pool")?.loopOwnP99Us?.median),
        "ms",
        2,
        false,
      ),
    ].flatMap((one) => one ?? []),
  };
}

function us({ messages }: PassResult, ms: number | null): number | null {
  return ms === null || messages === 0 ? null : (ms * 1000) / messages;
}

function summarizePass(way: PassJob["way"], results: readonly CellResult[]): PassSummary[] {
  const found = results
    .filter(({ cell }) => cell.type === "pass" && cell.way === way)
    .flatMap(({ pass }) => pass ?? []);
  if (found.length === 0) return [];
  const over = (figure: (one: PassResult) => number | null): Spread | null =>
    spread(found.flatMap((one) => figure(one) ?? []));
  return [
    {
      way,
      messagesPerSecond: over(({ messages, elapsedMs }) => (messages * 1000) / elapsedMs),
      perWorkerCore: over(({ messages, workerThreadMs }) =>
        workerThreadMs === null || workerThreadMs === 0 ? null : (messages * 1000) / workerThreadMs,
      ),
      brokerThreadUs: over((one) => us(one, one.brokerThreadMs)),
      workerThreadUs: over((one) => us(one, one.workerThreadMs)),
      processUs: over((one) => us(one, one.processMs)),
      meanBatch: over(({ meanBatch }) => meanBatch)?.median ?? null,
    },
  ];
}

function summarizeSaturation(mode: Mode, results: readonly CellResult[]): SaturationSummary[] {
  const found = results
    .filter(({ cell }) => cell.type === "latency" && cell.mode === mode)
    .flatMap(({ saturation }) => saturation ?? []);
  if (found.length === 0) return [];
  const over = (figure: (one: SaturationResult) => number | null): Spread | null =>
    spread(found.flatMap((one) => figure(one) ?? []));
  return [
    {
      mode,
      p50Us: over(({ latency }) => latency.p50Us),
      p99Us: over(({ latency }) => latency.p99Us),
      maxUs: over(({ latency }) => latency.maxUs),
      loopP50Us: over(({ loop }) => loop.p50Us),
      loopP99Us: over(({ loop }) => loop.p99Us),
      loopMaxUs: over(({ loop }) => loop.maxUs),
      loopOwnP99Us: over(({ loop }) => loop.ownP99Us),
      tasksPerSecond: over(
        ({ latency, loop }) => ((latency.tasks + loop.tasks) * 1000) / latency.elapsedMs,
      ),
      brokerBusy: over(({ brokerBusy }) => brokerBusy)?.median ?? null,
      othersBusy: over(({ othersBusy }) => othersBusy)?.median ?? null,
    },
  ];
}

/** Median of the ratios of each round: both halves are from the same minute. */
function busyRatio(results: readonly CellResult[]): number | undefined {
  const rounds = Map.groupBy(results, ({ cell }) => cell.round);
  const ratios = [...rounds.values()].flatMap((round) => {
    const [idle, pool] = (["idle", "pool"] as const).map(
      (mode) =>
        round.find(({ cell }) => cell.type === "latency" && cell.mode === mode)?.saturation?.latency
          .p99Us,
    );
    return idle === undefined || pool === undefined || idle === 0 ? [] : [pool / idle];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

function ratio(a: Spread | null | undefined, b: Spread | null | undefined): number | null {
  return a == null || b == null ? null : a.median / b.median;
}

function inMs(timeUs: number | undefined): number | undefined {
  return timeUs === undefined ? undefined : timeUs / 1000;
}

function target(
  what: string,
  value: number | undefined,
  unit: string,
  limit: number,
  isAtLeast: boolean,
): Target | null {
  if (value === undefined) return null;
  const isMet = isAtLeast ? value >= limit : value <= limit;
  return { what, value, unit, target: limit, isAtLeast, isMet };
}
