import type { LoadResult } from "../load/job.ts";
import { redisCalls } from "../load/redis-use.ts";
import { deliveriesPerSecond, MAX_OTHERS_BUSY } from "../summary.ts";
import { totalMs } from "../support/process-cpu.ts";
import type { CpuTime } from "../support/process-cpu.ts";
import { spread } from "../support/stats.ts";
import type { Spread } from "../support/stats.ts";
import type { RedisCell, RedisCellResult } from "./redis-cell.ts";
import { MAX_CALLS_PER_PUBLICATION, publicationsPerCoreTarget } from "./redis-shapes.ts";
import type { HistoryKind } from "./redis-shapes.ts";

/** Rounds of one cell. Figures that could not be had are null. */
export interface RedisGroup {
  readonly shape: string;
  readonly history: HistoryKind;
  readonly payloadBytes: number;
  readonly publicationsPerSecond: Spread | null;
  readonly deliveriesPerSecond: Spread | null;
  readonly callsPerPublication: Spread | null;
  /** Redis CPU time per publication, us, and how many one second of it would do for. */
  readonly redisUs: Spread | null;
  readonly publicationsPerCore: Spread | null;
  /** CPU time of node A per publication and of node B per delivery, all threads, us. */
  readonly publishUs: Spread | null;
  readonly deliverUs: Spread | null;
  /** Share of one processor. */
  readonly redisBusy: number | null;
  readonly publishBusy: number | null;
  readonly deliverBusy: number | null;
  readonly loadBusy: number | null;
  /** The same of everything else on the machine. */
  readonly othersBusy: number | null;
  readonly isDisturbed: boolean;
  readonly verdicts: readonly RedisVerdict[];
}

/** A median beside what we want it to be. */
export interface RedisVerdict {
  readonly what: "calls" | "publicationsPerCore";
  readonly median: number;
  readonly target: number;
  readonly isMet: boolean;
}

/** Groups cells that differ in the round only, in the order they first ran. */
export function summarizeRedis(results: readonly RedisCellResult[]): RedisGroup[] {
  const groups = Map.groupBy(
    results,
    ({ cell }) => `${cell.shape.name} ${cell.history} ${cell.payloadBytes}`,
  );
  return [...groups.values()].map(summarizeGroup);
}

function summarizeGroup(results: readonly RedisCellResult[]): RedisGroup {
  const { shape, history, payloadBytes } = (results[0] as RedisCellResult).cell;
  const ran = results.flatMap(({ cell, load }) => (load === null ? [] : { cell, load }));
  const over = (figure: (load: LoadResult, cell: RedisCell) => number | null): Spread | null =>
    spread(ran.flatMap(({ cell, load }) => figure(load, cell) ?? []));
  const middle = (figure: (load: LoadResult) => number | null): number | null =>
    over(figure)?.median ?? null;
  const callsPerPublication = over(
    (load, cell) => load.redis && per(redisCalls(load.redis), publications(load, cell)),
  );
  const publicationsPerCore = over(
    (load, cell) => load.redis && per(publications(load, cell), load.redis.cpuMs / 1000),
  );
  const othersBusy = middle(({ othersCpuMs, elapsedMs }) => othersCpuMs && othersCpuMs / elapsedMs);
  return {
    shape: shape.name,
    history,
    payloadBytes,
    publicationsPerSecond: over((load) => deliveriesPerSecond(load) / shape.subscribersPerChannel),
    deliveriesPerSecond: over(deliveriesPerSecond),
    callsPerPublication,
    redisUs: over(
      (load, cell) => load.redis && per(load.redis.cpuMs * 1000, publications(load, cell)),
    ),
    publicationsPerCore,
    publishUs: over((load, cell) => cpuUs(load.brokerCpu, publications(load, cell))),
    deliverUs: over((load) => cpuUs(load.subscribeCpu, load.deliveries)),
    redisBusy: middle((load) => load.redis && load.redis.cpuMs / load.elapsedMs),
    publishBusy: middle((load) => busy(load.brokerCpu, load)),
    deliverBusy: middle((load) => busy(load.subscribeCpu, load)),
    loadBusy: middle((load) => busy(load.loadCpu, load)),
    othersBusy,
    isDisturbed: (othersBusy ?? 0) > MAX_OTHERS_BUSY,
    verdicts: [
      ...verdict("calls", callsPerPublication, MAX_CALLS_PER_PUBLICATION),
      ...verdict("publicationsPerCore", publicationsPerCore, publicationsPerCoreTarget[history]),
    ],
  };
}

function verdict(
  what: RedisVerdict["what"],
  figure: Spread | null,
  target: number,
): RedisVerdict[] {
  if (figure === null) return [];
  const { median } = figure;
  return [{ what, median, target, isMet: what === "calls" ? median <= target : median >= target }];
}

/** Publications whose deliveries came while it was measured. */
function publications(load: LoadResult, { shape }: RedisCell): number {
  return load.deliveries / shape.subscribersPerChannel;
}

function cpuUs(cpu: CpuTime | null, count: number): number | null {
  return cpu === null ? null : per(totalMs(cpu) * 1000, count);
}

function busy(cpu: CpuTime | null, { elapsedMs }: LoadResult): number | null {
  return cpu === null ? null : totalMs(cpu) / elapsedMs;
}

function per(amount: number, count: number): number | null {
  return count === 0 ? null : amount / count;
}
