import type { ClientClock } from "../../client/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** A client's time that passes only when a test says so; timers run in the order they are due. */
export class ManualClock implements ClientClock {
  #nowMs = 1000;
  readonly #timers = new Set<Timer>();
  #waiters: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    for (const resolve of this.#waiters.splice(0)) resolve();
    return () => void this.#timers.delete(timer);
  }

  /** How far off the timers are, soonest first, ms. */
  get dueInMs(): number[] {
    return Array.from(this.#timers, ({ dueMs }) => dueMs - this.#nowMs).toSorted((a, b) => a - b);
  }

  /** Resolves when there is a timer due in exactly this time. */
  async untilTimer(dueInMs: number): Promise<void> {
    while (!this.dueInMs.includes(dueInMs)) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = Array.from(this.#timers).filter(({ dueMs }) => dueMs <= endMs);
      const [next] = due.toSorted((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
    }
    this.#nowMs = endMs;
  }
}
