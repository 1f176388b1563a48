/** Longest delay of the first attempt, ms. */
const FIRST_MS = 1000;
const BASE_MS = 500;
const CAP_MS = 15_000;

/**
 * Exponential back-off with full jitter: the delay is anything from 0 to a bound that doubles, so that
 * the clients of a broker that went away do not come back together. Bounds: 1, 1, 2, 4, 8, 15 s.
 */
export class Backoff {
  readonly #random: () => number;
  #attempt = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Attempts since the last reset. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Delay before the next attempt, ms. */
  nextMs(): number {
    const attempt = this.#attempt++;
    const boundMs = attempt === 0 ? FIRST_MS : Math.min(CAP_MS, BASE_MS * 2 ** attempt);
    return this.#random() * boundMs;
  }

  reset(): void {
    this.#attempt = 0;
  }
}
