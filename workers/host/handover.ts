import type { LaneSnapshot } from "../boundary/worker-link.ts";
import { messageOf } from "./context.ts";
import type { HostContext } from "./context.ts";
import type { Canary, Pipeline } from "./pipeline.ts";
import { within } from "./slot.ts";
import type { Slot } from "./slot.ts";
import type { WorkerSet } from "./worker-set.ts";

/**
 * Lets other sets serve a pipeline. Each lane changes over between two of its crossings, so nothing is lost, doubled
 * or overtaken. Where lanes have states that can be moved, all of them stop at the end of the crossing under way,
 * and go on when the states are in their new places; publications wait in their lanes meanwhile.
 */
export async function handOver(
  pipeline: Pipeline,
  active: WorkerSet,
  canary: Canary | null,
  context: HostContext,
): Promise<void> {
  const before = setsOf(pipeline);
  active.park(false);
  const isMoving =
    before.some(({ limits }) => limits.isPinned && limits.hasSnapshot) && active.limits.isPinned;
  if (!isMoving) {
    pipeline.serve(active, canary);
    return;
  }
  await pipeline.lanes.hold(before.flatMap((set) => set.takeReady()));
  try {
    const taken = await Promise.all(
      before.flatMap(({ slots }) => slots.map((slot) => takeAll(slot, context))),
    );
    await putAll(taken.flat(), active, canary, context);
  } finally {
    pipeline.serve(active, canary);
    pipeline.lanes.resume();
  }
}

export function setsOf({ active, canary }: Pipeline): WorkerSet[] {
  return [...(active === null ? [] : [active]), ...(canary === null ? [] : [canary.set])];
}

async function takeAll(slot: Slot, context: HostContext): Promise<readonly LaneSnapshot[]> {
  if (slot.state !== "free") return [];
  try {
    const snapshots = await within(slot.calls.takeLanes(null), context.times.teardownTimeoutMs);
    slot.knownLanes.clear();
    return snapshots;
  } catch (error) {
    context.logger.log("warn", "transform_states_lost", {
      worker: slot.index,
      message: messageOf(error),
    });
    // It may hang in the snapshot: what it is asked next would wait for that.
    slot.lose("timeout", "lane states could not be taken");
    return [];
  }
}

async function putAll(
  snapshots: readonly LaneSnapshot[],
  active: WorkerSet,
  canary: Canary | null,
  context: HostContext,
): Promise<void> {
  const bySlot = new Map<Slot, LaneSnapshot[]>();
  for (const snapshot of snapshots) {
    const set = canary?.matches(snapshot.channel) === true ? canary.set : active;
    const slot = set.slotOf(Bun.hash.xxHash32(snapshot.lane));
    const own = bySlot.get(slot);
    if (own === undefined) bySlot.set(slot, [snapshot]);
    else own.push(snapshot);
  }
  const puts = [...bySlot].map(async ([slot, own]) => {
    try {
      await within(slot.calls.putLanes(own), context.times.teardownTimeoutMs);
      for (const { lane } of own) slot.knownLanes.add(lane);
    } catch (error) {
      context.logger.log("warn", "transform_states_lost", {
        worker: slot.index,
        message: messageOf(error),
      });
      slot.lose("timeout", "lane states could not be put");
    }
  });
  await Promise.all(puts);
}
