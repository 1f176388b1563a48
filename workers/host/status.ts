import type { Bound, Version } from "./binding.ts";
import { addCounts } from "./counters.ts";
import { DurationHistogram } from "./histogram.ts";
import type { RecentFault, TransformState, TransformStatus } from "./host-types.ts";
import type { Pipeline } from "./pipeline.ts";
import type { WorkerSet } from "./worker-set.ts";

const MAX_RECENT_FAULTS = 20;

/** From the best; a binding is as well as the worst of its pipelines. */
const STATES: readonly TransformState[] = ["running", "degraded", "starting", "tripped", "failed"];

export interface BindingView {
  readonly bound: Bound;
  readonly version: Version;
  readonly previous: Version | null;
  readonly rollout: unknown;
  readonly pipelines: readonly Pipeline[];
}

/** What an operator sees of one binding, over all pipelines it is a part of. */
export function statusOf(view: BindingView): TransformStatus {
  const { bound, version, previous, pipelines, rollout } = view;
  const queue = new DurationHistogram();
  const run = new DurationHistogram();
  const verdicts: Record<string, number> = {};
  const faults: Record<string, number> = {};
  const restarts: Record<string, number> = {};
  const custom: Record<string, { sum: number; count: number }> = {};
  const recentFaults: RecentFault[] = [];
  const sums = { workers: 0, lanes: 0, queued: 0, heapBytes: 0 };
  let state: TransformState = "running";
  for (const pipeline of pipelines) {
    const { counters, lanes, pending, active, intake } = pipeline;
    queue.add(counters.queue);
    run.add(counters.run);
    const own = counters.stages[pipeline.bounds.indexOf(bound)];
    if (own !== undefined) {
      addCounts(verdicts, own.verdicts);
      addCounts(faults, own.faults);
      addCounts(restarts, own.restarts);
      recentFaults.push(...own.recentFaults);
      for (const [name, { sum, count }] of own.customs) {
        const total = (custom[name] ??= { sum: 0, count: 0 });
        total.sum += sum;
        total.count += count;
      }
    }
    verdicts["refused"] = (verdicts["refused"] ?? 0) + intake.refused;
    sums.lanes += lanes.count;
    sums.queued += pending;
    for (const slot of active?.slots ?? []) {
      sums.workers++;
      sums.heapBytes += slot.heapBytes;
    }
    state = worse(state, stateOf(active));
  }
  return {
    id: bound.id,
    use: version.use,
    name: version.manifest.name,
    version: version.manifest.version,
    previousVersion: previous?.manifest.version ?? null,
    channels: bound.channels,
    onError: bound.onError,
    isolation: bound.isolation,
    state,
    ...sums,
    verdicts,
    faults,
    restarts,
    custom,
    queueMs: { p50: queue.percentileMs(0.5), p99: queue.percentileMs(0.99) },
    runMs: { p50: run.percentileMs(0.5), p99: run.percentileMs(0.99) },
    recentFaults: recentFaults.toSorted((a, b) => a.atMs - b.atMs).slice(-MAX_RECENT_FAULTS),
    rollout,
  };
}

export function stateOf(set: WorkerSet | null): TransformState {
  if (set === null) return "starting";
  if (set.breaker.isOpen) return "tripped";
  const working = set.slots.filter(({ state }) => state === "free" || state === "busy").length;
  if (working === set.slots.length) return "running";
  if (working > 0) return "degraded";
  return set.slots.some(({ state }) => state === "starting") ? "starting" : "failed";
}

function worse(one: TransformState, other: TransformState): TransformState {
  return STATES.indexOf(one) > STATES.indexOf(other) ? one : other;
}
