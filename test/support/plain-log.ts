/** One publication as a test made it. */
export interface PlainEntry {
  readonly offset: number;
  readonly payload: Uint8Array;
  readonly atMs: number;
}

/** The plain twin of PublicationLog: an array that forgets nothing, with the bounds applied when it is read. */
export class PlainLog {
  readonly entries: PlainEntry[] = [];
  readonly #historySize: number;
  readonly #historyTtlMs: number;
  #takenCount = 0;

  constructor(historySize: number, historyTtlMs: number) {
    this.#historySize = historySize;
    this.#historyTtlMs = historyTtlMs;
  }

  get offset(): number {
    return this.entries.length;
  }

  append(payload: Uint8Array, nowMs: number): number {
    this.entries.push({ offset: this.entries.length + 1, payload, atMs: nowMs });
    return this.entries.length;
  }

  takePending(): readonly PlainEntry[] {
    const pending = this.entries.slice(this.#takenCount);
    this.#takenCount = this.entries.length;
    return pending;
  }

  /** What history may give out at this time. */
  kept(nowMs: number): readonly PlainEntry[] {
    const newest = this.#historySize === 0 ? [] : this.entries.slice(-this.#historySize);
    return newest.filter(({ atMs }) => atMs >= nowMs - this.#historyTtlMs);
  }

  firstOffset(nowMs: number): number {
    return this.kept(nowMs)[0]?.offset ?? this.offset + 1;
  }

  read(offset: number, limit: number, nowMs: number): readonly PlainEntry[] {
    return this.kept(nowMs)
      .filter((entry) => entry.offset >= offset)
      .slice(0, limit);
  }
}
