import type { TransformManifest } from "../boundary/worker-link.ts";
import type { TransformOrder } from "../sdk/transform.ts";

/** Lanes that messages without an order are spread over, for each worker. */
const LANES_PER_WORKER = 2;

/** The strictest order of any stage. State of lanes wants an order of its own. */
export function orderOf(manifests: readonly TransformManifest[]): TransformOrder {
  const orders = manifests.map(({ order, hasLaneState }) =>
    order === "none" && hasLaneState ? "channel" : order,
  );
  if (orders.length === 0 || orders.includes("channel")) return "channel";
  return orders.includes("key") ? "key" : "none";
}

/**
 * Name of the lane a message belongs to. Without an order, messages of any channel share a few lanes in turn:
 * as many crossings can be under way as there are workers.
 */
export function laneIdOf(
  order: TransformOrder,
  channel: string,
  key: string | null,
  turn: number,
  workers: number,
): string {
  if (order === "channel") return channel;
  // No channel has a blank in its name.
  if (order === "key") return key === null ? channel : `${channel} ${key}`;
  return `* ${turn % (workers * LANES_PER_WORKER)}`;
}
