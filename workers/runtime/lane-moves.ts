import { faultOf } from "../boundary/fault.ts";
import type { LaneSnapshot } from "../boundary/worker-link.ts";
import type { LaneState } from "../sdk/transform.ts";
import type { Notes } from "./notes.ts";
import { decodePayload, jsonOf, textOf } from "./payload.ts";
import type { Stage } from "./stage.ts";

/**
 * Lane states on their way between workers. A state that its transform cannot hand over or take is noted as a fault
 * and begins anew; it never holds up the others.
 */

/** The states of a stage as snapshots; all of them are forgotten, also those that have none. */
export function snapshotsOf(
  stage: Stage,
  lanes: ReadonlySet<string> | null,
  notes: Notes,
): LaneSnapshot[] {
  const states = stage.lanes;
  if (states === null) return [];
  const records = states.take(lanes);
  if (!stage.manifest.hasSnapshot) return [];
  const snapshots: LaneSnapshot[] = [];
  for (const record of records) {
    guarded(stage, notes, () => {
      const snapshot = states.snapshot(record);
      const { lane, channel, key } = record;
      snapshots.push({ lane, stage: stage.index, channel, key, snapshot });
    });
  }
  return snapshots;
}

export function restoreInto(stage: Stage, taken: LaneSnapshot, notes: Notes): void {
  const states = stage.lanes;
  if (states === null || !stage.manifest.hasSnapshot) return;
  guarded(stage, notes, () => states.restore(taken.lane, taken.channel, taken.key, taken.snapshot));
}

type Replay = NonNullable<LaneState<unknown, unknown, unknown>["replay"]>;

/** Shows a stage the newest of the payloads, as many as it looks back. */
export function replayInto(
  stage: Stage,
  lane: string,
  channel: string,
  payloads: readonly Uint8Array[],
  notes: Notes,
): void {
  const { lanes: states, replay } = stage;
  const { lookBack } = stage.manifest;
  if (states === null || replay === null || lookBack === 0) return;
  guarded(stage, notes, () => {
    states.createWith(lane, channel, (value) => {
      for (const bytes of payloads.slice(-lookBack)) replay(value, pastMessage(channel, bytes));
    });
  });
}

function pastMessage(channel: string, bytes: Uint8Array): Parameters<Replay>[1] {
  return {
    channel,
    bytes,
    text: () => textOf(bytes, 0, bytes.length),
    json: () => jsonOf(bytes, 0, bytes.length),
    decode: () => decodePayload(bytes, 0, bytes.length),
  };
}

function guarded(stage: Stage, notes: Notes, work: () => void): void {
  try {
    stage.call(work);
  } catch (error) {
    notes.fault(stage.index, faultOf(error, "throw", stage.manifest.file));
  }
}
