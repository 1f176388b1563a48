import type { Clock } from "../../broker/ports.ts";
import type { Random } from "../support/random.ts";

interface Event {
  readonly dueMs: number;
  readonly work: () => void;
}

/** Time and order of a simulation: events happen when they are due, one by one, and all promises settle between. */
export class VirtualTime implements Clock {
  readonly #random: Random;
  readonly #events: Event[] = [];
  #nowMs = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  after(ms: number, work: () => void): void {
    this.#events.push({ dueMs: this.#nowMs + ms, work });
  }

  /** After a delay of up to so many ms. */
  soon(maxMs: number, work: () => void): void {
    this.after(this.#random.below(maxMs * 16) / 16, work);
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Lets so much time pass, or less when nothing happens any more. */
  async run(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#takeNext(endMs);
      if (next === undefined) break;
      this.#nowMs = next.dueMs;
      next.work();
    }
    this.#nowMs = endMs;
  }

  #takeNext(endMs: number): Event | undefined {
    let at = -1;
    for (let i = 0; i < this.#events.length; i++) {
      const { dueMs } = this.#events[i] as Event;
      if (dueMs <= endMs && (at === -1 || dueMs < (this.#events[at] as Event).dueMs)) at = i;
    }
    return at === -1 ? undefined : this.#events.splice(at, 1)[0];
  }
}
