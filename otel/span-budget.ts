import type { SpanCounts } from "./snapshot.ts";

/** Bounds how many spans wait for the collector, and counts what becomes of each. */
export class SpanBudget implements SpanCounts {
  exported = 0;
  failed = 0;
  dropped = 0;
  waiting = 0;
  readonly #maxWaiting: number;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /** Whether this many more may wait; when not, they count as dropped. */
  take(count: number): boolean {
    if (this.waiting + count > this.#maxWaiting) {
      this.dropped += count;
      return false;
    }
    this.waiting += count;
    return true;
  }

  /** They wait no longer. @param repeated told before: nothing is counted for them */
  settled(exported: number, failed: number, repeated: number): void {
    this.waiting -= exported + failed + repeated;
    this.exported += exported;
    this.failed += failed;
  }

  /** Nobody has what waits any more. */
  lost(): void {
    this.failed += this.waiting;
    this.waiting = 0;
  }
}
