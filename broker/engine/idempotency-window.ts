/**
 * The publication ids of one channel's last publications and the offsets they got. Bounded by time and
 * by count: a Map keeps insertion order, so the oldest are at its front.
 */
export class IdempotencyWindow {
  readonly #windowMs: number;
  readonly #maxKeys: number;
  readonly #offsets = new Map<string, { readonly offset: number; readonly atMs: number }>();

  constructor(windowMs: number, maxKeys: number) {
    this.#windowMs = windowMs;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#offsets.size;
  }

  /** The offset this id was published at within the window, or 0. */
  find(id: string, nowMs: number): number {
    const entry = this.#offsets.get(id);
    return entry !== undefined && entry.atMs + this.#windowMs > nowMs ? entry.offset : 0;
  }

  remember(id: string, offset: number, nowMs: number): void {
    this.#offsets.delete(id);
    this.#offsets.set(id, { offset, atMs: nowMs });
    this.expire(nowMs);
  }

  /** Lets go of ids past either bound. */
  expire(nowMs: number): void {
    for (const [id, entry] of this.#offsets) {
      if (this.#offsets.size <= this.#maxKeys && entry.atMs + this.#windowMs > nowMs) return;
      this.#offsets.delete(id);
    }
  }
}
