/** Sub-buckets per power of two: a recorded value is off by less than 1/128 of itself. */
const SUB_BUCKET_BITS = 7;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;

/** Largest value that keeps its size; larger ones are counted as this one. 4.29 s in ns. */
export const MAX_RECORDABLE = 0xffff_ffff;

const BUCKET_COUNT = (32 - SUB_BUCKET_BITS + 1) * SUB_BUCKETS;

/**
 * A log-linear histogram of unsigned integers (here: nanoseconds), constant in memory and in time per
 * value. Values below 128 are exact. Every power of two above is cut into 128 equal buckets:
 *
 *   | 0 1 2 .. 127 | 128 129 .. 255 | 256 258 .. 510 | 512 516 .. | ...
 *        exact          width 1          width 2         width 4
 */
export class Histogram {
  readonly #counts = new Float64Array(BUCKET_COUNT);
  #count = 0;
  #max = 0;
  #saturated = 0;

  /** Values recorded. */
  get count(): number {
    return this.#count;
  }

  /** Largest value recorded, exact, even past `MAX_RECORDABLE`; 0 when there is none. */
  get max(): number {
    return this.#max;
  }

  /** Values that were larger than `MAX_RECORDABLE`. */
  get saturatedCount(): number {
    return this.#saturated;
  }

  /** Records a value; a negative one counts as 0. */
  record(value: number): void {
    let whole = value > 0 ? value : 0;
    if (whole > this.#max) this.#max = whole;
    if (whole > MAX_RECORDABLE) {
      this.#saturated++;
      whole = MAX_RECORDABLE;
    }
    const index = bucketOf(whole >>> 0);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#count++;
  }

  /** Adds everything another histogram holds. */
  add(other: Histogram): void {
    for (let i = 0; i < BUCKET_COUNT; i++) {
      this.#counts[i] = (this.#counts[i] as number) + (other.#counts[i] as number);
    }
    this.#count += other.#count;
    this.#saturated += other.#saturated;
    this.#max = Math.max(this.#max, other.#max);
  }

  /**
   * The smallest value that at least `share` (0 to 1) of all recorded values do not exceed, up to the
   * width of its bucket; 0 when nothing was recorded.
   */
  quantile(share: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let i = 0; i < BUCKET_COUNT; i++) {
      seen += this.#counts[i] as number;
      if (seen >= rank) return Math.min(highestOf(i), this.#max);
    }
    return this.#max;
  }
}

function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return value;
  const shift = 31 - Math.clz32(value) - SUB_BUCKET_BITS;
  return (shift + 1) * SUB_BUCKETS + (value >>> shift) - SUB_BUCKETS;
}

/** Largest value of a bucket: what a quantile reports, so that it never flatters. */
function highestOf(index: number): number {
  if (index < SUB_BUCKETS) return index;
  const shift = Math.floor(index / SUB_BUCKETS) - 1;
  const lowest = ((index % SUB_BUCKETS) + SUB_BUCKETS) * 2 ** shift;
  return lowest + 2 ** shift - 1;
}
