import { spanIdOf } from "../../protocol/span-id.ts";
import type { Channel } from "../channels/channel.ts";
import type { Clock } from "../ports.ts";
import type { Session } from "../sessions/session.ts";
import type { DeliveryStamp } from "./delivery-stamp.ts";
import { MAX_TRACED_DELIVERIES } from "./delivery-stamp.ts";
import { deliveryOf } from "./delivery-survey.ts";
import type { TracedDelivery } from "./delivery-trace.ts";
import type { FlightRecord, FlightRecorder } from "./flight-recorder.ts";
import { lateTraceId, stampTrace } from "./late-trace.ts";
import type { BusPlaces, LatePart } from "./late-trace.ts";
import type { SlowList } from "./slow-list.ts";
import type { TraceOutlet } from "./trace-outlet.ts";
import type { ClockQuality } from "./trace-stats.ts";

/** A latency counts as well measured when it is uncertain by no more than the larger of these. */
const GOOD_MS = 5;
const GOOD_SHARE = 0.2;

/** Receipts say whole milliseconds. */
const ROUNDING_MS = 1;

/** One session's receipts are traced no more often than this, ms. */
const SESSION_PAUSE_MS = 1000;

export interface ReceiptTracerOptions {
  readonly outlet: TraceOutlet;
  readonly clock: Clock;
  readonly recorder: FlightRecorder | null;
  readonly slow: SlowList;
  readonly places: BusPlaces;
}

export interface Receipt {
  readonly offset: number;
  /** On the broker's wall clock, as the client estimates it, ms. */
  readonly receivedAtMs: number;
  /** By how much that may be wrong, ms; null when the client does not say. */
  readonly uncertaintyMs: number | null;
}

/** What clients tell of when publications reached them. */
export class ReceiptTracer {
  readonly #options: ReceiptTracerOptions;

  constructor(options: ReceiptTracerOptions) {
    this.#options = options;
  }

  /** Takes a receipt of a session that is subscribed to the channel. */
  receipt(session: Session, channel: Channel, receipt: Receipt): void {
    const { outlet, recorder } = this.#options;
    const { time, stats } = outlet;
    const record = recorder?.find(channel.id, receipt.offset) ?? null;
    if (record === null) {
      stats.receiptsUnmatched++;
      return;
    }
    const originMs = record.arrival?.openedMs ?? time.at(record.startedMs);
    const handedOverMs = time.at(record.fanOutEndedMs);
    const told = receipt.receivedAtMs + time.wallErrorMs;
    const doubtMs = (receipt.uncertaintyMs ?? 0) + ROUNDING_MS;
    const nowMs = time.nowMs();
    // It cannot have come before it left, nor later than its receipt.
    const receivedMs = Math.min(nowMs, Math.max(handedOverMs, told));
    const isClamped = told + doubtMs < handedOverMs || told - doubtMs > nowMs;
    if (isClamped) stats.clockNegative++;
    const latencyMs = receivedMs - originMs;
    const quality = qualityOf(receipt.uncertaintyMs, latencyMs, isClamped);
    stats.e2e[quality].record(latencyMs);
    const { slowMs } = channel.stream.options;
    const seen = { ...receipt, receivedMs, isClamped };
    if (slowMs === 0 || latencyMs - (receipt.uncertaintyMs ?? 0) <= slowMs) {
      this.#inTime(session, channel, record, seen);
      return;
    }
    const traceId = this.#late(session, channel, record, seen);
    if (traceId !== null) {
      const spanId = spanIdOf(traceId, "deliver.late", outlet.node, session.id);
      stats.e2e[quality].exemplify({ traceId, spanId, valueMs: latencyMs, atMs: receivedMs });
    }
    this.#options.slow.add({
      connection: session.id,
      user: session.identity?.user ?? null,
      channel: channel.name,
      worstMs: latencyMs,
      count: 1,
      seenBy: "receipt",
      lastAtMs: this.#options.clock.wallMs(),
      traceId,
    });
  }

  /** A publication that is traced anyway also tells when it reached this client. */
  #inTime(session: Session, channel: Channel, record: FlightRecord, seen: Seen): void {
    const { outlet } = this.#options;
    const known = outlet.recent.atPlace(channel.name, channel.stream.epoch, seen.offset);
    if (known === null || outlet.recent.find(known.traceId).length >= MAX_TRACED_DELIVERIES) return;
    const handedOverMs = outlet.time.at(record.fanOutEndedMs);
    const delivery = deliveryOf(session, "delivered", handedOverMs, partsOf(seen));
    outlet.emit({ ...known, deliveries: [delivery] });
  }

  #late(session: Session, channel: Channel, record: FlightRecord, seen: Seen): string | null {
    const { outlet, clock, places } = this.#options;
    const nowMs = clock.nowMs();
    if (nowMs - session.tracedLateMs < SESSION_PAUSE_MS) {
      outlet.stats.suppressed("slow");
      return null;
    }
    if (!outlet.admit("slow")) return null;
    session.tracedLateMs = nowMs;
    const stamp = stampOf(channel, record);
    const { offset } = seen;
    const delivery = deliveryOf(session, "late", outlet.time.at(record.fanOutEndedMs), {
      ...partsOf(seen),
      queuedBytes: session.outbound.queuedBytes,
    });
    const known = outlet.recent.atPlace(channel.name, stamp.epoch, offset);
    if (known !== null) {
      outlet.emit({ ...known, deliveries: [delivery] });
      return known.traceId;
    }
    const part: LatePart = {
      traceId: lateTraceId(stamp, offset),
      reason: "slow",
      offset,
      deliveries: [delivery],
      anomalies: [],
      anomaliesLeftOut: 0,
      dropped: 0,
    };
    outlet.emit(stampTrace(stamp, part, outlet, places));
    places.ask(stamp, part);
    return part.traceId;
  }
}

/** A receipt, with the time it stands for on the cluster's clock. */
interface Seen extends Receipt {
  readonly receivedMs: number;
  readonly isClamped: boolean;
}

function partsOf({ receivedMs, isClamped, uncertaintyMs }: Seen): Partial<TracedDelivery> {
  return { receivedMs, isClamped, clockUncertaintyMs: uncertaintyMs ?? 0 };
}

function qualityOf(
  uncertaintyMs: number | null,
  latencyMs: number,
  isClamped: boolean,
): ClockQuality {
  if (uncertaintyMs === null || isClamped) return "poor";
  return uncertaintyMs <= Math.max(GOOD_MS, latencyMs * GOOD_SHARE) ? "good" : "poor";
}

function stampOf(channel: Channel, record: FlightRecord): DeliveryStamp {
  const { arrival, startedMs } = record;
  return {
    stream: channel.stream,
    epoch: channel.stream.epoch,
    firstOffset: record.firstOffset,
    count: record.count,
    bytes: record.bytes,
    startedMs,
    arrival,
    fanOutStartedMs: record.fanOutStartedMs,
    fanOutEndedMs: record.fanOutEndedMs,
    subscribers: record.subscribers,
    queued: record.queued,
    traces: [],
    deliveriesLeft: MAX_TRACED_DELIVERIES,
  };
}
