/** The newest delays of one subscriber: few, because sorting them must not delay what is measured. */
const MAX_SAMPLES = 2048;

export class LatencyRecorder {
  readonly #samples = new Float64Array(MAX_SAMPLES);
  #count = 0;

  record(ms: number): void {
    this.#samples[this.#count++ % MAX_SAMPLES] = ms;
  }

  /** The delays below which these shares (0 to 1) of the newest samples lie, ms; null without samples. */
  percentiles(shares: readonly number[]): number[] | null {
    const size = Math.min(this.#count, MAX_SAMPLES);
    if (size === 0) return null;
    const sorted = this.#samples.subarray(0, size).toSorted();
    return shares.map((share) => sorted[Math.min(size - 1, Math.floor(share * size))] as number);
  }
}

/** Events in the last second, in buckets of 100 ms. */
export class RateMeter {
  readonly #counts = new Float64Array(11);
  #bucket = 0;

  add(nowMs: number, count: number): void {
    this.#advance(nowMs);
    this.#counts[this.#bucket % 11] = (this.#counts[this.#bucket % 11] as number) + count;
  }

  /** A second; over the ten last whole buckets. */
  perSecond(nowMs: number): number {
    this.#advance(nowMs);
    let sum = 0;
    for (let i = 1; i <= 10; i++) sum += this.#counts[(this.#bucket + i) % 11] as number;
    return sum;
  }

  #advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / 100);
    const steps = Math.min(11, bucket - this.#bucket);
    for (let i = 1; i <= steps; i++) this.#counts[(bucket - steps + i) % 11] = 0;
    this.#bucket = bucket;
  }
}
