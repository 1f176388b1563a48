/** What ingest counts down; the publication that makes it 0 is traced. */
export interface HeadSampling {
  left: number;
}

/** What is counted down stays a small integer. */
const MAX_LEFT = 2 ** 30;

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
  /** Periods that nothing is chosen of after the next refusal, and before the publication that `left` leads to. */
  #stride = 1;
  #skipped = 0;

  constructor(rate: number, random: () => number = Math.random) {
    this.#period = rate > 0 ? 1 / Math.min(1, rate) : 0;
    this.#random = random;
    if (this.#period > 0) this.next();
  }

  /** Goes on to the next publication to be chosen. Returns how many periods were skipped before this one. */
  next(): number {
    const skipped = this.#skipped;
    this.#skipped = 0;
    if (this.#period === 0) {
      this.left = -1;
      return skipped;
    }
    const place = this.#periodStart + this.#random() * this.#period;
    // Two places may fall on one publication: the later one then takes the next.
    this.left = Math.max(1, Math.floor(place) + 1);
    this.#periodStart += this.#period - this.left;
    return skipped;
  }

  /**
   * The one just chosen was one too many. Choosing costs far more than counting, so until `relax` the next is looked
   * for one, three, seven .. periods later.
   */
  thin(): void {
    if (this.#period === 0 || this.left + this.#stride * this.#period > MAX_LEFT) return;
    this.#skipped += this.#stride;
    this.left += Math.round(this.#stride * this.#period);
    this.#stride = this.#stride * 2 + 1;
  }

  /** There is room again. Called about once a second. */
  relax(): void {
    this.#stride = 1;
    const back = Math.min(this.#skipped, Math.floor((this.left - 1) / this.#period));
    if (this.#period === 0 || back <= 0) return;
    this.#skipped -= back;
    this.left = Math.max(1, this.left - Math.round(back * this.#period));
  }
}

/** Of namespaces that nothing is sampled of. Counts down for ever. */
export const unsampled: HeadSampling = { left: -1 };
