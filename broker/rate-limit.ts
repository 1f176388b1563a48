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

  /** What `take` would answer, ms; takes nothing. */
  waitMs(cost: number, nowMs: number): number {
    if (this.#ratePerMs === 0) return 0;
    const filled = this.#tokens + (nowMs - this.#lastMs) * this.#ratePerMs;
    const missing = Math.min(cost, this.#burst) - Math.min(this.#burst, filled);
    return missing <= 0 ? 0 : Math.ceil(missing / this.#ratePerMs);
  }
}

/** A publication over a rate: which one, and how long to wait. */
export interface PublishRefusal {
  readonly reason: "publish_rate" | "publish_byte_rate";
  readonly retryAfterMs: number;
}

/** Counts a publication against both limits, or against neither: what one refuses costs nothing of the other. */
export function takePublish(
  count: RateLimit,
  bytes: RateLimit,
  payloadBytes: number,
  nowMs: number,
): PublishRefusal | null {
  const countMs = count.waitMs(1, nowMs);
  const bytesMs = bytes.waitMs(payloadBytes, nowMs);
  if (countMs === 0 && bytesMs === 0) {
    count.take(1, nowMs);
    bytes.take(payloadBytes, nowMs);
    return null;
  }
  return countMs >= bytesMs
    ? { reason: "publish_rate", retryAfterMs: countMs }
    : { reason: "publish_byte_rate", retryAfterMs: bytesMs };
}
