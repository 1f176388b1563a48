/** Lets the first of a kind through at once, and then one per interval with the number of those it held back. */
export class OnceInAWhile {
  readonly #intervalMs: number;
  readonly #nowMs: () => number;
  /** Kinds are of a closed set. */
  readonly #kinds = new Map<string, { untilMs: number; held: number }>();

  constructor(intervalMs = 60_000, nowMs: () => number = () => performance.now()) {
    this.#intervalMs = intervalMs;
    this.#nowMs = nowMs;
  }

  /** How many of this kind were held back since the last one let through; null when this one is held back. */
  pass(kind: string): number | null {
    const nowMs = this.#nowMs();
    const known = this.#kinds.get(kind);
    if (known !== undefined && nowMs < known.untilMs) {
      known.held++;
      return null;
    }
    this.#kinds.set(kind, { untilMs: nowMs + this.#intervalMs, held: 0 });
    return known?.held ?? 0;
  }
}
