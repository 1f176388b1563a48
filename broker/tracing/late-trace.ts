import type { DeliveryStamp } from "./delivery-stamp.ts";
import type {
  DeliveryTrace,
  FanOutAnomaly,
  TracedDelivery,
  TraceReason,
} from "./delivery-trace.ts";
import { messageTraceId, placeTraceId } from "./trace-id.ts";
import type { TraceOutlet } from "./trace-outlet.ts";

/** Where channels are in Redis, and how other nodes are asked for their part of a trace. */
export interface BusPlaces {
  placeOf(channel: string): { readonly partition: number; readonly shard: number };
  /** Has the node that sent it tell what it knows. */
  ask(stamp: DeliveryStamp, part: LatePart): void;
}

/** What is told about one publication of a batch. */
export interface LatePart {
  readonly traceId: string;
  readonly reason: TraceReason;
  readonly offset: number;
  readonly deliveries: readonly TracedDelivery[];
  readonly anomalies: readonly FanOutAnomaly[];
  readonly anomaliesLeftOut: number;
  readonly dropped: number;
}

/** The id every node derives for a publication that came without one. */
export function lateTraceId(stamp: DeliveryStamp, offset: number): string {
  const { stream, epoch, arrival, firstOffset } = stamp;
  const { name, options } = stream;
  if (arrival === null || arrival.producer === "" || options.historySize > 0) {
    return placeTraceId(epoch, name, offset);
  }
  // Without history every node counts for itself.
  return messageTraceId(name, arrival.producer, arrival.sentMs, offset - firstOffset);
}

/** This node's part of a trace, from what is known of the batch. */
export function stampTrace(
  stamp: DeliveryStamp,
  part: LatePart,
  { node, time }: TraceOutlet,
  places: BusPlaces,
): DeliveryTrace {
  const { stream, arrival, bytes, count, subscribers, queued } = stamp;
  const { traceId, reason, offset, deliveries, anomalies, anomaliesLeftOut, dropped } = part;
  const startedMs = time.at(stamp.startedMs);
  const endedMs = stamp.fanOutEndedMs > 0 ? stamp.fanOutEndedMs : stamp.fanOutStartedMs;
  return {
    traceId,
    parent: null,
    link: null,
    reason,
    node,
    publication: {
      channel: stream.name,
      namespace: stream.options.pattern,
      epoch: stamp.epoch,
      offset,
      id: null,
      payloadBytes: Math.floor(bytes / Math.max(1, count)),
      publisher: null,
    },
    ingest:
      arrival === null
        ? { receivedMs: startedMs, acceptedMs: startedMs, clientSentMs: 0, error: null }
        : null,
    origin: null,
    transform: null,
    busSend: null,
    busReceive:
      arrival === null
        ? null
        : {
            ...places.placeOf(stream.name),
            fromNode: arrival.node,
            openedMs: arrival.openedMs,
            sentMs: arrival.sentMs,
            receivedMs: startedMs,
            isHealed: arrival.producer === "",
            clockUncertaintyMs: time.uncertaintyMs,
          },
    fanOut: {
      startedMs: time.at(stamp.fanOutStartedMs),
      endedMs: time.at(endedMs),
      subscribers,
      delivered: Math.max(0, subscribers - queued - dropped),
      queued,
      dropped,
      bytes: bytes * subscribers,
      batchSize: count,
      anomalies,
      anomaliesLeftOut,
    },
    deliveries,
  };
}
