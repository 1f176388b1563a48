import type { HostContext } from "./context.ts";
import { messageOf } from "./context.ts";
import type { Lane } from "./lane.ts";
import type { Slot } from "./slot.ts";
import { within } from "./slot.ts";
import type { WorkerSet } from "./worker-set.ts";

/**
 * Shows a worker the history of a lane it has no state of. Null when it has; what fails is logged, and the lane then
 * begins anew: history is a help, not a condition.
 */
export function prepareLane(
  set: WorkerSet,
  slot: Slot,
  lane: Lane,
  context: HostContext,
): Promise<void> | null {
  if (slot.knownLanes.has(lane.id)) return null;
  return replay(set, slot, lane, context);
}

async function replay(
  set: WorkerSet,
  slot: Slot,
  lane: Lane,
  { host, logger, times }: HostContext,
): Promise<void> {
  const { incarnation } = slot;
  try {
    const payloads = await within(
      host.history(lane.channel, set.limits.lookBack),
      times.loadTimeoutMs,
    );
    if (slot.incarnation !== incarnation) return;
    if (payloads.length > 0) {
      await within(slot.calls.replay(lane.id, lane.channel, payloads), times.loadTimeoutMs);
    }
  } catch (error) {
    logger.log("warn", "transform_look_back_failed", {
      channel: lane.channel,
      message: messageOf(error),
    });
  }
  if (slot.incarnation === incarnation) slot.knownLanes.add(lane.id);
}
