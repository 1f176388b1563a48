import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import type { PublishAck } from "../engine.ts";
import { RUN_HEADER_BYTES, writeRunEntry } from "./envelope.ts";
import { fail, groupFor, hasRoom, newBatch, settle } from "./outbox-batch.ts";
import type { OutboxBatch, OutboxStream, SendOutcome } from "./outbox-batch.ts";

export interface OutboxHost<S extends OutboxStream> {
  nowMs(): number;
  /** Calls `work` at the end of the tick. */
  schedule(work: () => void): void;
  /** Calls `work` after a while. */
  after(ms: number, work: () => void): void;
  send(batch: OutboxBatch<S>): Promise<SendOutcome>;
  /** Counts what was given up, for the metrics. */
  gaveUp(publications: number): void;
  /** It is known what became of a batch, or its publishers were told that it is not. */
  settled?(batch: OutboxBatch<S>, outcome: SendOutcome): void;
}

export interface OutboxOptions {
  readonly maxPublications: number;
  readonly maxBytes: number;
  /** How long a publisher waits for an outcome, ms. */
  readonly giveUpMs: number;
  /** Pause between attempts, ms. */
  readonly retryMs: number;
  /** A batch without an answer is sent again (it is numbered, so it is executed once); else it is given up. */
  readonly isRetried: boolean;
  /**
   * A batch that was sent is not sent again after this, ms: Redis may have forgotten its number, and would
   * execute it twice.
   */
  readonly forgetMs: number;
}

/**
 * The publications of one partition on their way to Redis, in order: one batch is under way, the next fills
 * meanwhile, so batches grow with the load by themselves. A batch whose outcome is not known is sent
 * again with its own number until Redis answers; nothing behind it overtakes it.
 */
export class Outbox<S extends OutboxStream> {
  readonly #host: OutboxHost<S>;
  readonly #options: OutboxOptions;
  readonly #batches: OutboxBatch<S>[] = [];
  #nextSeq = 1;
  #publications = 0;
  #bytes = 0;
  #isSending = false;
  #isScheduled = false;
  #isWaiting = false;
  #isStopped = false;

  constructor(host: OutboxHost<S>, options: OutboxOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** Publications waiting or under way. */
  get size(): number {
    return this.#publications;
  }

  /** Takes a publication in; null, or the refusal when the outbox is full. Copies what it needs. */
  add(
    stream: S,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    publicationId: string | null,
    ack: PublishAck | null,
    requestId: number,
    trace: PublishTrace | null = null,
  ): BrokerError | null {
    const size = end - start + (meta?.length ?? 0) + RUN_HEADER_BYTES;
    const { maxPublications, maxBytes } = this.#options;
    if (this.#publications >= maxPublications || this.#bytes + size > maxBytes) {
      return new BrokerError(Code.tooManyRequests, "too many publications wait for Redis", {
        retryAfterMs: 100,
      });
    }
    const batch = this.#openBatch(size);
    const { run, waiters } = groupFor(batch, stream, publicationId);
    run.reserve(size);
    run.length = writeRunEntry(run.bytes, run.length, source, start, end, meta, trace !== null);
    waiters.push({ ack, requestId, trace });
    if (trace !== null) batch.isTraced = true;
    batch.publications++;
    batch.bytes += size;
    this.#publications++;
    this.#bytes += size;
    this.#schedule();
    return null;
  }

  #openBatch(size: number): OutboxBatch<S> {
    const last = this.#batches.at(-1);
    if (last !== undefined && hasRoom(last, size)) return last;
    const batch = newBatch<S>(this.#nextSeq++, this.#host.nowMs());
    this.#batches.push(batch);
    return batch;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isSending || this.#isWaiting) return;
    this.#isScheduled = true;
    this.#host.schedule(() => {
      this.#isScheduled = false;
      void this.#pump();
    });
  }

  /** Sends batch after batch until there is none or one must be tried again later. */
  async #pump(): Promise<void> {
    if (this.#isSending) return;
    this.expire();
    this.#isSending = true;
    while (this.#batches.length > 0 && !this.#isStopped) {
      const batch = this.#batches[0] as OutboxBatch<S>;
      const hadBeenSent = batch.wasSent;
      batch.wasSent = true;
      batch.sentMs = this.#host.nowMs();
      const result = await this.#host.send(batch);
      if (this.#isStopped) break;
      if (result.type === "unsent") batch.wasSent = hadBeenSent;
      if (!this.#finish(batch, result)) break;
    }
    this.#isSending = false;
    if (this.#batches.length > 0 && !this.#isStopped) this.#retryLater();
  }

  /** Settles a batch when its outcome is known; false when it must be tried again. */
  #finish(batch: OutboxBatch<S>, outcome: SendOutcome): boolean {
    switch (outcome.type) {
      case "done":
        for (const [index, group] of batch.groups.entries()) {
          settle(group, outcome.results[index], batch.wasGivenUp);
        }
        break;
      case "refused":
        fail(batch, outcome.error);
        break;
      case "forgotten":
        fail(batch, unknownOutcome());
        break;
      case "unknown":
        if (this.#options.isRetried) return false;
        fail(batch, unknownOutcome());
        break;
      case "unsent":
        return false;
    }
    if (!batch.wasGivenUp) this.#host.settled?.(batch, outcome);
    this.#batches.shift();
    this.#publications -= batch.publications;
    this.#bytes -= batch.bytes;
    return true;
  }

  #retryLater(): void {
    this.expire();
    if (this.#isWaiting || this.#batches.length === 0) return;
    this.#isWaiting = true;
    this.#host.after(this.#options.retryMs, () => {
      this.#isWaiting = false;
      void this.#pump();
    });
  }

  /**
   * Tells publishers who have waited long enough. What was never sent is taken back for good; what was sent
   * is sent on, for as long as Redis can tell that it has it already.
   */
  expire(): void {
    const nowMs = this.#host.nowMs();
    for (let i = 0; i < this.#batches.length; i++) {
      const batch = this.#batches[i] as OutboxBatch<S>;
      if (batch.openedMs > nowMs - this.#options.giveUpMs) return;
      if (batch.wasSent) {
        this.#giveUp(batch);
        const isForgotten = batch.openedMs <= nowMs - this.#options.forgetMs;
        // The one under way is settled when its answer, or the lack of one, is here.
        if (!isForgotten || this.#isSending) continue;
        this.#batches.splice(i--, 1);
        this.#publications -= batch.publications;
        this.#bytes -= batch.bytes;
        continue;
      }
      const error = new BrokerError(
        Code.unavailable,
        "Redis cannot be reached; nothing was stored",
      );
      fail(batch, error);
      this.#host.settled?.(batch, { type: "refused", error });
      this.#batches.splice(i--, 1);
      this.#publications -= batch.publications;
      this.#bytes -= batch.bytes;
    }
  }

  #giveUp(batch: OutboxBatch<S>): void {
    if (batch.wasGivenUp) return;
    this.#host.gaveUp(batch.publications);
    fail(batch, unknownOutcome());
    this.#host.settled?.(batch, { type: "unknown" });
    batch.wasGivenUp = true;
  }

  /** Ends it; whoever still waits hears that the outcome is not known. */
  stop(): void {
    this.#isStopped = true;
    for (const batch of this.#batches) fail(batch, unknownOutcome());
    this.#batches.length = 0;
    this.#publications = 0;
    this.#bytes = 0;
  }
}

function unknownOutcome(): BrokerError {
  return new BrokerError(Code.publishUnknown);
}
