import type { Histogram } from "../support/histogram.ts";
import { cpuBetween, machineCpuMs, processCpu, totalMs } from "../support/process-cpu.ts";
import type { CpuTime } from "../support/process-cpu.ts";
import { ClosedLoop } from "./closed-loop.ts";
import { Fleet } from "./fleet.ts";
import type { LatencySummary, LoadJob, LoadResult } from "./job.ts";
import { OpenLoop } from "./open-loop.ts";
import { RedisProbe, redisUseBetween } from "./redis-use.ts";
import type { RedisUse } from "./redis-use.ts";

/** How long a server under load may take to answer a WebSocket ping, ms. */
const FENCE_MS = 10_000;

interface Snapshot {
  readonly nowMs: number;
  readonly deliveries: number;
  readonly brokerCpu: CpuTime | null;
  readonly subscribeCpu: CpuTime | null;
  readonly redis: RedisUse | null;
  readonly loadCpu: CpuTime;
  readonly machineCpuMs: number | null;
}

/**
 * Runs one cell: connects, warms up, measures, stops, waits for what is still on its way and checks that
 * every subscriber got every publication once and in order.
 * @throws Error when a connection breaks or the server answers with an error
 */
export async function runLoad(job: LoadJob): Promise<LoadResult> {
  const failure = Promise.withResolvers<never>();
  const loop = createLoop(job, failure.reject);
  // A connection may break while others are still being opened.
  await using fleet = await Promise.race([Fleet.open(job, loop), failure.promise]);
  const run = measure(job, fleet, loop);
  try {
    // Awaited here, because the connections close when this function is left.
    return await Promise.race([run, failure.promise]);
  } finally {
    loop.stop();
  }
}

function createLoop(job: LoadJob, onFailure: (error: Error) => void): ClosedLoop | OpenLoop {
  const { pace, subscribersPerChannel, framesPerMessage } = job;
  return pace.type === "closed"
    ? new ClosedLoop({
        windowSize: pace.windowSize,
        subscribersPerChannel,
        framesPerMessage,
        onFailure,
      })
    : new OpenLoop({ publicationsPerSecond: pace.publicationsPerSecond, onFailure });
}

async function measure(
  job: LoadJob,
  fleet: Fleet,
  loop: ClosedLoop | OpenLoop,
): Promise<LoadResult> {
  using probe = job.redisUrls.length === 0 ? null : new RedisProbe(job.redisUrls);
  const snapshot = async (): Promise<Snapshot> => {
    // First: everything else is read at the moment when its answer is here.
    const redis = probe === null ? null : await probe.read();
    return {
      nowMs: performance.now(),
      deliveries: loop.deliveries,
      brokerCpu: cpuOf(job.brokerPid),
      subscribeCpu: cpuOf(job.subscribeAt?.pid ?? null),
      redis,
      loadCpu: ownCpu(),
      machineCpuMs: machineCpuMs(),
    };
  };
  loop.start(fleet.publishers);
  await Bun.sleep(job.warmUpMs);
  if (loop instanceof OpenLoop) loop.record();
  const from = await snapshot();
  await Bun.sleep(job.measureMs);
  const to = await snapshot();
  loop.stop();
  await settle(fleet, loop, job.maxSilenceMs);
  return {
    ...difference(from, to),
    latency: loop instanceof OpenLoop ? summary(loop.latency) : null,
    lateness: loop instanceof OpenLoop ? summary(loop.lateness) : null,
    faults: fleet.faults(),
  };
}

function difference(
  from: Snapshot,
  to: Snapshot,
): Omit<LoadResult, "latency" | "lateness" | "faults"> {
  const brokerCpu = cpuBetween(from.brokerCpu, to.brokerCpu);
  const subscribeCpu = cpuBetween(from.subscribeCpu, to.subscribeCpu);
  const redis = redisUseBetween(from.redis, to.redis);
  const loadCpu = {
    userMs: to.loadCpu.userMs - from.loadCpu.userMs,
    systemMs: to.loadCpu.systemMs - from.loadCpu.systemMs,
  };
  const ownMs =
    (brokerCpu === null ? 0 : totalMs(brokerCpu)) +
    (subscribeCpu === null ? 0 : totalMs(subscribeCpu)) +
    (redis?.cpuMs ?? 0) +
    totalMs(loadCpu);
  return {
    deliveries: to.deliveries - from.deliveries,
    elapsedMs: to.nowMs - from.nowMs,
    brokerCpu,
    subscribeCpu,
    redis,
    loadCpu,
    othersCpuMs:
      brokerCpu === null || from.machineCpuMs === null || to.machineCpuMs === null
        ? null
        : Math.max(0, to.machineCpuMs - from.machineCpuMs - ownMs),
  };
}

/**
 * Waits until all deliveries are there, or none has come for `maxSilenceMs` although the server has
 * handled all publications: it may pass them on later.
 */
async function settle(
  fleet: Fleet,
  loop: ClosedLoop | OpenLoop,
  maxSilenceMs: number,
): Promise<void> {
  const expected = fleet.expectedDeliveries();
  await answered(fleet.fence());
  let seen = loop.deliveries;
  let seenMs = performance.now();
  while (loop.deliveries < expected && performance.now() - seenMs < maxSilenceMs) {
    await Bun.sleep(1);
    if (loop.deliveries === seen) continue;
    seen = loop.deliveries;
    seenMs = performance.now();
  }
  // One delivered twice could still be under way when the count is complete.
  await answered(fleet.fence());
}

async function answered(fence: Promise<void>): Promise<void> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => timeout.reject(new Error("the server does not answer WebSocket pings")),
    FENCE_MS,
  );
  await Promise.race([fence, timeout.promise]).finally(() => clearTimeout(timer));
}

function cpuOf(pid: number | null): CpuTime | null {
  return pid === null ? null : processCpu(pid);
}

function ownCpu(): CpuTime {
  const { user, system } = process.cpuUsage();
  return { userMs: user / 1000, systemMs: system / 1000 };
}

function summary(histogram: Histogram): LatencySummary {
  const us = (share: number) => histogram.quantile(share) / 1000;
  return {
    count: histogram.count,
    p50Us: us(0.5),
    p90Us: us(0.9),
    p99Us: us(0.99),
    p999Us: us(0.999),
    maxUs: histogram.max / 1000,
  };
}
