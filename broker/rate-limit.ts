/**
 * A token bucket: `ratePerSecond` on average, bursts of `burst`. A rate of 0 means no limit.
 */
export class RateLimit {
  readonly #ratePerMs: number;
  readonly #burst: number;
  #tokens: number;
  #lastMs: number;

  constructor(ratePerSecond: number, burst: number, nowMs: number) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#lastMs = nowMs;
  }

  get isOff(): boolean {
    return this.#ratePerMs === 0;
  }

  /**
   * Takes `cost` tokens when there are enough: returns 0. Otherwise takes none and returns how long to
   * wait, ms. A cost beyond the burst is let through when the bucket is full, or it never could be.
   */
  take(cost: number, nowMs: number): number {
    if (this.#ratePerMs === 0) return 0;
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#lastMs) * this.#ratePerMs);
    this.#lastMs = nowMs;
    const needed = Math.min(cost, this.#burst);
    if (this.#tokens >= needed) {
      this.#tokens -= cost;
      return 0;
    }
    return Math.ceil((needed - this.#tokens) / this.#ratePerMs);
  }
}
