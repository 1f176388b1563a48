/** Sub-buckets of each power of two: a value is off by less than 1/16 of itself. */
const SUB_BITS = 4;
const SUB_BUCKETS = 1 << SUB_BITS;
/** Microseconds up to 2^32, 71 minutes. */
const MAX_US = 0xffff_ffff;
const BUCKETS = (32 - SUB_BITS + 1) * SUB_BUCKETS;

/** Durations in log-linear buckets, constant in memory: what status tells of queue and run times. */
export class DurationHistogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #sumMs = 0;

  get count(): number {
    return this.#count;
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumMs / this.#count;
  }

  /** @param times how many messages took this long */
  record(ms: number, times = 1): void {
    const us = Math.min(MAX_US, Math.max(0, Math.round(ms * 1000)));
    const index = bucketOf(us);
    this.#counts[index] = (this.#counts[index] as number) + times;
    this.#count += times;
    this.#sumMs += Math.max(0, ms) * times;
  }

  add(other: DurationHistogram): void {
    for (let i = 0; i < BUCKETS; i++) {
      this.#counts[i] = (this.#counts[i] as number) + (other.#counts[i] as number);
    }
    this.#count += other.#count;
    this.#sumMs += other.#sumMs;
  }

  /** The value that this share of all is at or below, ms; 0 when there is none. */
  percentileMs(share: number): number {
    let left = Math.ceil(this.#count * share);
    if (left === 0) return 0;
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.#counts[i] as number;
      if (left <= 0) return bucketEnd(i) / 1000;
    }
    return MAX_US / 1000;
  }
}

function bucketOf(us: number): number {
  if (us < SUB_BUCKETS) return us;
  const shift = 31 - Math.clz32(us) - SUB_BITS;
  return (shift + 1) * SUB_BUCKETS + ((us >>> shift) - SUB_BUCKETS);
}

/** Largest value of a bucket. */
function bucketEnd(index: number): number {
  if (index < SUB_BUCKETS) return index;
  const shift = Math.floor(index / SUB_BUCKETS) - 1;
  return ((index % SUB_BUCKETS) + SUB_BUCKETS + 1) * 2 ** shift - 1;
}
