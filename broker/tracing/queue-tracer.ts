import type { Clock } from "../ports.ts";
import type { Session } from "../sessions/session.ts";
import type { DropReason } from "../stats.ts";
import type { ClusterTime } from "./cluster-time.ts";
import { originOf } from "./delivery-stamp.ts";
import type { DeliveryStamp } from "./delivery-stamp.ts";
import { deliveryOf } from "./delivery-survey.ts";
import type { TracedDelivery, TraceReason } from "./delivery-trace.ts";
import { lateTraceId, stampTrace } from "./late-trace.ts";
import type { BusPlaces, LatePart } from "./late-trace.ts";
import type { SlowList } from "./slow-list.ts";
import type { TraceOutlet } from "./trace-outlet.ts";

/** One session's late deliveries and drops are traced no more often than this, ms. */
const SESSION_PAUSE_MS = 1000;

/** Traced publications of one queue that are told when they leave it. */
const MAX_TOLD = 16;

/** A batch that waited in a session's queue, and what lay before it there. */
export interface Waited {
  readonly stamp: DeliveryStamp;
  readonly queuedBytes: number;
}

export interface QueueTracerOptions {
  readonly outlet: TraceOutlet;
  readonly clock: Clock;
  readonly slow: SlowList;
  readonly places: BusPlaces;
  /** Whether batches are looked at that have no traced publication: only then are their times known. */
  readonly isOn: boolean;
}

/** Traces what a session's queue made late, or lost. */
export class QueueTracer {
  readonly #options: QueueTracerOptions;

  constructor(options: QueueTracerOptions) {
    this.#options = options;
  }

  /** Batches that waited were handed to the socket now, oldest first. */
  handedOver(session: Session, all: readonly Waited[]): void {
    const { outlet, clock } = this.#options;
    const waited = this.#known(all);
    const nowMs = clock.nowMs();
    const [oldest] = waited;
    if (oldest === undefined) return;
    outlet.stats.record("socket", nowMs - oldest.stamp.fanOutEndedMs);
    let told = 0;
    for (const one of waited) {
      if (one.stamp.traces.length === 0 || told >= MAX_TOLD) continue;
      told++;
      this.#tellTraced(session, one, { handedOverMs: outlet.time.at(nowMs) });
    }
    const late = waited.filter(({ stamp }) => isLate(stamp, nowMs, outlet.time));
    const [worst] = late;
    if (worst === undefined) return;
    const isTold = worst.stamp.traces.length > 0;
    const delivery = deliveryOf(session, "late", outlet.time.at(nowMs), {
      queuedBytes: worst.queuedBytes,
    });
    const traceId = isTold
      ? (worst.stamp.traces[0]?.traceId ?? null)
      : this.#trace(session, worst.stamp, "slow", delivery);
    this.#options.slow.add({
      connection: session.id,
      user: session.identity?.user ?? null,
      channel: worst.stamp.stream.name,
      worstMs: nowMs - originOf(worst.stamp, outlet.time),
      count: late.reduce((sum, { stamp }) => sum + stamp.count, 0),
      seenBy: "queue",
      lastAtMs: clock.wallMs(),
      traceId,
    });
  }

  /** Batches that waited will never leave. The newest is told: of all it is missed longest. */
  lost(session: Session, all: readonly Waited[], reason: DropReason): void {
    const { outlet, clock } = this.#options;
    const waited = this.#known(all);
    const newest = waited.at(-1);
    if (newest === undefined) return;
    let told = 0;
    for (const one of waited) {
      if (one.stamp.traces.length === 0 || told >= MAX_TOLD) continue;
      told++;
      this.#tellTraced(session, one, { dropReason: reason });
    }
    if (newest.stamp.traces.length > 0) return;
    const delivery = deliveryOf(session, "dropped", 0, {
      dropReason: reason,
      queuedBytes: newest.queuedBytes,
    });
    const outcome = reason === "closed" ? "closed" : reason;
    this.#trace(session, newest.stamp, "drop", delivery, {
      anomalies: [
        {
          atMs: outlet.time.at(clock.nowMs()),
          connection: session.id,
          outcome,
          queuedBytes: newest.queuedBytes,
        },
      ],
      dropped: 1,
    });
  }

  #known(waited: readonly Waited[]): readonly Waited[] {
    return this.#options.isOn ? waited : waited.filter(({ stamp }) => stamp.traces.length > 0);
  }

  /** Tells one more delivery of publications that are traced anyway. */
  #tellTraced(
    session: Session,
    { stamp, queuedBytes }: Waited,
    end: { readonly handedOverMs: number } | { readonly dropReason: DropReason },
  ): void {
    const { outlet, clock } = this.#options;
    if (stamp.deliveriesLeft <= 0) {
      outlet.stats.suppressed("dropReason" in end ? "drop" : "slow");
      return;
    }
    stamp.deliveriesLeft--;
    const isLost = "dropReason" in end;
    const outcome = isLost
      ? "dropped"
      : isLate(stamp, clock.nowMs(), outlet.time)
        ? "late"
        : "delivered";
    const delivery = deliveryOf(session, outcome, isLost ? 0 : end.handedOverMs, {
      queuedBytes,
      dropReason: isLost ? end.dropReason : null,
    });
    for (const trace of stamp.traces) outlet.emit({ ...trace, deliveries: [delivery] });
  }

  /** The trace id, unless there were too many. */
  #trace(
    session: Session,
    stamp: DeliveryStamp,
    reason: TraceReason,
    delivery: TracedDelivery,
    more: Partial<LatePart> = {},
  ): string | null {
    const { outlet, clock, places } = this.#options;
    const nowMs = clock.nowMs();
    const isPaused = nowMs - session.tracedLateMs < SESSION_PAUSE_MS;
    if (isPaused || stamp.deliveriesLeft <= 0) {
      outlet.stats.suppressed(reason);
      return null;
    }
    if (!outlet.admit(reason)) return null;
    session.tracedLateMs = nowMs;
    stamp.deliveriesLeft--;
    // The oldest of a late batch waited longest, the newest of a lost one is what is missed.
    const isLost = delivery.outcome === "dropped";
    const offset = isLost ? stamp.firstOffset + stamp.count - 1 : stamp.firstOffset;
    const part: LatePart = {
      traceId: lateTraceId(stamp, offset),
      reason,
      offset,
      deliveries: [delivery],
      anomalies: [],
      anomaliesLeftOut: 0,
      dropped: 0,
      ...more,
    };
    outlet.emit(stampTrace(stamp, part, outlet, places));
    places.ask(stamp, part);
    return part.traceId;
  }
}

function isLate(stamp: DeliveryStamp, nowMs: number, time: ClusterTime): boolean {
  const { slowMs } = stamp.stream.options;
  return slowMs > 0 && nowMs - originOf(stamp, time) > slowMs;
}
