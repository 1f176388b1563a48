import type { Clock } from "../ports.ts";
import { ByteBuffer } from "../sessions/byte-buffer.ts";
import type { Outbound } from "../sessions/outbound.ts";
import type { Session } from "../sessions/session.ts";
import { SendStatus } from "../sessions/socket.ts";
import type { Stats } from "../stats.ts";
import type { DeliveryStamp } from "../tracing/delivery-stamp.ts";
import { exemplarOfBatch } from "../tracing/fan-out-tracer.ts";
import type { FanOutTracer } from "../tracing/fan-out-tracer.ts";
import type { Batch, Subscriber } from "./channel.ts";

/** Publications of several channels for one session in one tick leave in messages of at most this size. */
const JOINED_MESSAGE_BYTES = 64 * 1024;

export interface FanOutOptions {
  readonly stats: Stats;
  readonly clock: Clock;
  /** Tells a session the channel's name, unless it knows it. */
  readonly announce: (subscriber: Subscriber, batch: Batch) => void;
  /** Null where nothing is recorded. */
  readonly tracer: FanOutTracer | null;
}

/** A batch and the sessions it reaches by name and by pattern. */
export interface Flush {
  readonly batch: Batch;
  readonly subscribers: readonly Subscriber[];
  readonly matched: readonly Subscriber[];
}

/**
 * Delivery of batches to sessions. The loop over subscribers allocates nothing, awaits nothing and reads what
 * each socket says. While it runs, lists of subscribers must not change: whoever closes a session goes
 * through `whenSettled`.
 */
export class FanOut {
  readonly #options: FanOutOptions;
  readonly #joined = new ByteBuffer(4096, JOINED_MESSAGE_BYTES);
  /** Sessions with something to get in the flush of several channels. */
  readonly #staged: Session[] = [];
  #isRunning = false;
  #afterwards: (() => void)[] = [];

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  /** Runs work that changes lists of subscribers: now, or when the fan-out under way is done. */
  whenSettled(work: () => void): void {
    if (this.#isRunning) this.#afterwards.push(work);
    else work();
  }

  #settled(): void {
    this.#isRunning = false;
    const work = this.#afterwards;
    if (work.length === 0) return;
    this.#afterwards = [];
    for (const item of work) item();
  }

  /** One channel's batch leaves. */
  deliver(flush: Flush): void {
    const { batch, subscribers, matched } = flush;
    const { stats, clock, tracer } = this.#options;
    const isWatched = tracer !== null && (tracer.isRecording || batch.traced !== null);
    const startedMs = isWatched ? clock.nowMs() : 0;
    const queuedBefore = stats.deliveriesQueued;
    this.#isRunning = true;
    deliverToAll(subscribers, batch);
    for (const subscriber of matched) this.#options.announce(subscriber, batch);
    deliverToAll(matched, batch);
    const deliveries = this.#count(batch, subscribers.length + matched.length);
    if (isWatched || deliveries > 0) {
      const endedMs = clock.nowMs();
      this.#recordDuration(endedMs - batch.startedMs, deliveries);
      if (isWatched) {
        tracer.recordStages(batch.startedMs, startedMs, endedMs);
        tracer.flushed(flush, startedMs, endedMs, stats.deliveriesQueued - queuedBefore);
        if (batch.knownStamp !== null) this.#exemplify(flush, endedMs - batch.startedMs);
      }
    }
    this.#settled();
  }

  /**
   * Batches of several channels leave: a session that is subscribed to more than one of them gets its
   * publications in one message.
   */
  deliverTogether(flushes: readonly Flush[]): void {
    const { stats, clock, tracer } = this.#options;
    const isWatched = tracer !== null && (tracer.isRecording || flushes.some(isTraced));
    const startedMs = isWatched ? clock.nowMs() : 0;
    const queuedBefore = stats.deliveriesQueued;
    let deliveries = 0;
    let sinceMs = Infinity;
    for (const { batch, subscribers, matched } of flushes) {
      for (let i = 0; i < subscribers.length; i++) {
        this.#stage((subscribers[i] as Subscriber).session, batch);
      }
      for (const subscriber of matched) {
        this.#options.announce(subscriber, batch);
        this.#stage(subscriber.session, batch);
      }
      deliveries += this.#count(batch, subscribers.length + matched.length);
      sinceMs = Math.min(sinceMs, batch.startedMs);
    }
    this.#isRunning = true;
    const staged = this.#staged;
    for (let i = 0; i < staged.length; i++) this.#deliverStaged(staged[i] as Session);
    staged.length = 0;
    if (isWatched || deliveries > 0) {
      const endedMs = clock.nowMs();
      // Once for all: they came in the same tick and left together.
      this.#recordDuration(endedMs - sinceMs, deliveries);
      if (isWatched && flushes.length > 0) {
        const queued = stats.deliveriesQueued - queuedBefore;
        tracer.recordStages(sinceMs, startedMs, endedMs);
        for (const flush of flushes) {
          tracer.flushed(flush, startedMs, endedMs, queued);
          if (flush.batch.knownStamp !== null) this.#exemplify(flush, endedMs - sinceMs);
        }
      }
    }
    this.#settled();
  }

  #stage(session: Session, batch: Batch): void {
    if (session.stagedBatch === null) {
      session.stagedBatch = batch;
      this.#staged.push(session);
    } else session.moreStagedBatches.push(batch);
  }

  #deliverStaged(session: Session): void {
    const { outbound, moreStagedBatches: more } = session;
    const first = session.stagedBatch as Batch;
    session.stagedBatch = null;
    if (more.length === 0) {
      deliverTo(session, first);
      return;
    }
    if (outbound.isDirect) this.#deliverJoined(outbound, first, more);
    else {
      deliverTo(session, first);
      for (const batch of more) deliverTo(session, batch);
    }
    more.length = 0;
  }

  #deliverJoined(outbound: Outbound, first: Batch, more: readonly Batch[]): void {
    const joined = this.#joined;
    const copy = {
      stable: (): Uint8Array => joined.view().slice(),
      stamp: (): DeliveryStamp => first.stamp(),
    };
    joined.append(first.slice.bytes);
    for (const { slice } of more) {
      if (joined.length + slice.bytes.length > JOINED_MESSAGE_BYTES) {
        outbound.deliver(joined.view(), copy);
        joined.reset();
      }
      joined.append(slice.bytes);
    }
    outbound.deliver(joined.view(), copy);
    joined.reset();
  }

  /** Counts a batch that goes to so many subscribers; returns its deliveries. */
  #count({ slice }: Batch, subscribers: number): number {
    const { stats } = this.#options;
    const deliveries = slice.count * subscribers;
    stats.deliveries += deliveries;
    stats.deliveryBytes += slice.bytes.length * subscribers;
    return deliveries;
  }

  #recordDuration(durationMs: number, deliveries: number): void {
    if (deliveries === 0) return;
    this.#options.stats.deliveryDuration.record(durationMs, deliveries);
  }

  /** @param durationMs as it was recorded: an example belongs to the bucket that counts it */
  #exemplify({ batch, subscribers, matched }: Flush, durationMs: number): void {
    if (subscribers.length + matched.length === 0) return;
    const exemplar = exemplarOfBatch(batch, durationMs);
    if (exemplar !== null) this.#options.stats.deliveryDuration.exemplify(exemplar);
  }
}

function isTraced({ batch }: Flush): boolean {
  return batch.traced !== null;
}

function deliverToAll(subscribers: readonly Subscriber[], batch: Batch): void {
  for (let i = 0; i < subscribers.length; i++) {
    deliverTo((subscribers[i] as Subscriber).session, batch);
  }
}

function deliverTo(session: Session, batch: Batch): void {
  const { outbound } = session;
  if (outbound.isDirect) {
    const status = session.socket.sendBytes(batch.slice.bytes);
    if (status !== SendStatus.sent) outbound.settle(status, batch);
  } else if (outbound.format === "json") outbound.deliverText(batch.text(), batch);
  else outbound.deliver(batch.slice.bytes, batch);
}
