import { Histogram } from "../support/histogram.ts";
import type { Publisher } from "./publisher.ts";
import type { DeliverySink } from "./subscriber.ts";

/** The last stretch before a publication is due that is spent spinning, ms. */
const SPIN_MS = 4;

/**
 * Sends by the clock, whatever the broker does: publication n is due at start + n / rate, and its
 * deliveries are timed from then. When the generator or the broker falls behind, the wait counts, so a
 * stall cannot hide the publications it delayed.
 */
export class OpenLoop implements DeliverySink {
  readonly latency = new Histogram();
  readonly lateness = new Histogram();
  readonly #intervalNs: number;
  readonly #onFailure: (error: Error) => void;
  #publishers: readonly Publisher[] = [];
  #startNs = 0;
  #sent = 0;
  #recordFrom = Number.POSITIVE_INFINITY;
  #isRunning = false;
  readonly #onTurn = (): void => this.#turn();
  #deliveries = 0;

  constructor(options: { publicationsPerSecond: number; onFailure: (error: Error) => void }) {
    this.#intervalNs = 1e9 / options.publicationsPerSecond;
    this.#onFailure = options.onFailure;
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  start(publishers: readonly Publisher[]): void {
    this.#publishers = publishers;
    this.#startNs = Bun.nanoseconds();
    this.#isRunning = true;
    this.#turn();
  }

  /** Records latency from the next publication on. */
  record(): void {
    this.#recordFrom = this.#sent;
  }

  /** Sends what is due by now and nothing more; what has been sent is still timed. */
  stop(): void {
    if (!this.#isRunning) return;
    this.#sendDue(Bun.nanoseconds());
    this.#isRunning = false;
  }

  delivered(publisher: number, sequence: number): void {
    this.#deliveries++;
    const index = (sequence - 1) * this.#publishers.length + publisher;
    if (index >= this.#recordFrom) this.latency.record(Bun.nanoseconds() - this.#dueNs(index));
  }

  readEnded(): void {}

  failed(error: Error): void {
    this.#onFailure(error);
  }

  #dueNs(index: number): number {
    return this.#startNs + index * this.#intervalNs;
  }

  /**
   * Sends what is due, then spins on the event loop until the next is: a timer's millisecond would be
   * longer than what is measured. Only a wait of several milliseconds starts with a timer.
   */
  #turn(): void {
    if (!this.#isRunning) return;
    this.#sendDue(Bun.nanoseconds());
    const waitMs = (this.#dueNs(this.#sent) - Bun.nanoseconds()) / 1e6;
    if (waitMs < SPIN_MS) setImmediate(this.#onTurn);
    else setTimeout(this.#onTurn, Math.floor(waitMs - SPIN_MS / 2));
  }

  #sendDue(nowNs: number): void {
    const due = Math.floor((nowNs - this.#startNs) / this.#intervalNs) + 1 - this.#sent;
    for (let i = this.#sent; i < this.#sent + due; i++) {
      if (i >= this.#recordFrom) this.lateness.record(nowNs - this.#dueNs(i));
    }
    this.#send(due);
  }

  /** Publishers take turns. A single one gets all that is due in one write, as a client would do it. */
  #send(count: number): void {
    const publishers = this.#publishers;
    if (publishers.length === 1) publishers[0]?.publish(count);
    else {
      for (let i = 0; i < count; i++) publishers[(this.#sent + i) % publishers.length]?.publish(1);
    }
    this.#sent += count;
  }
}
