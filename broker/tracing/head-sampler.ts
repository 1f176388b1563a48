/** What ingest counts down; the publication that makes it 0 is traced. */
export interface HeadSampling {
  left: number;
}

/**
 * Chooses publications ahead of their way: one of each `1 / rate`, at a random place among them. So the rate is
 * exact on average, and a load that repeats itself is not always hit at the same place.
 */
export class HeadSampler implements HeadSampling {
  /** Never reaches 0 with a rate of 0. */
  left = -1;
  readonly #period: number;
  readonly #random: () => number;
  /** Where this period begins, counted from the publication chosen last. */
  #periodStart = 0;

  constructor(rate: number, random: () => number = Math.random) {
    this.#period = rate > 0 ? 1 / Math.min(1, rate) : 0;
    this.#random = random;
    if (this.#period > 0) this.next();
  }

  /** Goes on to the next publication to be chosen. */
  next(): void {
    if (this.#period === 0) {
      this.left = -1;
      return;
    }
    const place = this.#periodStart + this.#random() * this.#period;
    // Two places may fall on one publication: the later one then takes the next.
    this.left = Math.max(1, Math.floor(place) + 1);
    this.#periodStart += this.#period - this.left;
  }
}

/** Of namespaces that nothing is sampled of. Counts down for ever. */
export const unsampled: HeadSampling = { left: -1 };
