import type { Stream } from "../engine/stream.ts";
import type { ClusterTime } from "./cluster-time.ts";
import type { DeliveryTrace } from "./delivery-trace.ts";
import type { BatchArrival } from "./flight-recorder.ts";
import type { PublishTrace } from "./publish-trace.ts";

/** A traced publication in a stream's log: as this node took it in, or with the meta that it came with. */
export interface TracedPublication {
  readonly offset: number;
  readonly payloadBytes: number;
  readonly own: PublishTrace | null;
  readonly meta: Uint8Array | null;
}

/**
 * What is known of a batch that waits in queues of sessions, one for all of them. Times are the monotonic
 * clock's (ms), but for the arrival's.
 */
export interface DeliveryStamp {
  readonly stream: Stream;
  readonly epoch: string;
  readonly firstOffset: number;
  readonly count: number;
  readonly bytes: number;
  /** When its oldest publication came to this node. */
  readonly startedMs: number;
  readonly arrival: BatchArrival | null;
  fanOutStartedMs: number;
  /** 0 until it is over. */
  fanOutEndedMs: number;
  subscribers: number;
  queued: number;
  /** Traces of publications in it. */
  traces: readonly DeliveryTrace[];
  /** Single deliveries that may still be traced. */
  deliveriesLeft: number;
}

/** When its oldest publication was taken in, on whichever node (clock ms). */
export function originOf({ arrival, startedMs }: DeliveryStamp, time: ClusterTime): number {
  return arrival === null ? startedMs : time.toMonotonic(arrival.openedMs);
}

/** Deliveries of one publication that are traced one by one, on a node. */
export const MAX_TRACED_DELIVERIES = 16;
