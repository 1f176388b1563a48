import { listScript } from "./directory-scripts.ts";
import type { Home } from "./lease-home.ts";

/** Entries that go to Redis in one call. */
const MAX_BATCH_ENTRIES = 250;

/** Entries looked at before others get the event loop. */
const SCAN_SLICE = 2000;

/** One entry as it is now. */
export interface ListEntry {
  /** Differs when the entry does. */
  readonly fingerprint: number;
  /** A second name that it can be found by; "" for none. */
  readonly alias: string;
  readonly text: string;
}

export interface DirectoryListOptions {
  readonly home: Home;
  /** Index and texts, under the lease of now. */
  readonly keys: () => readonly [index: string, texts: string];
  readonly exists: (id: string) => boolean;
  /** Null when there is no such entry (any more). */
  readonly read: (id: string) => ListEntry | null;
}

/**
 * A list of this node's that Redis has a copy of: what was touched is read again and written, in batches,
 * until both are the same. What cannot be written stays to be written; that is bounded by what is in the
 * list and what Redis may still have of it.
 */
export class DirectoryList {
  readonly #options: DirectoryListOptions;
  /** What Redis has, or may have: fingerprints; NaN where it is not certain. */
  readonly #stored = new Map<string, number>();
  readonly #touched = new Set<string>();
  #isWriting = false;

  constructor(options: DirectoryListOptions) {
    this.#options = options;
  }

  /** The entry may not be as Redis has it. */
  touch(id: string): void {
    this.#touched.add(id);
  }

  /** Redis may have it, whatever became of writing it. */
  mayHave(id: string): void {
    this.#stored.set(id, Number.NaN);
    this.touch(id);
  }

  /** Redis has it as it was with this fingerprint. */
  has(id: string, fingerprint: number): void {
    this.#stored.set(id, fingerprint);
  }

  /** Redis has nothing of it: all is to be written. */
  forget(ids: Iterable<string>): void {
    this.#stored.clear();
    this.#touched.clear();
    for (const id of ids) this.touch(id);
  }

  get isSettled(): boolean {
    return this.#touched.size === 0 && !this.#isWriting;
  }

  get storedCount(): number {
    return this.#stored.size;
  }

  /**
   * Touches what differs from what Redis has, a slice at a time. For what changes without telling.
   * @returns ms of the event loop that it took
   */
  async scan(entries: Iterable<readonly [id: string, fingerprint: number]>): Promise<number> {
    let busyMs = 0;
    let beganMs = performance.now();
    let count = 0;
    const pause = async (): Promise<void> => {
      if (++count % SCAN_SLICE !== 0) return;
      busyMs += performance.now() - beganMs;
      await new Promise((resolve) => setImmediate(resolve));
      beganMs = performance.now();
    };
    for (const [id, fingerprint] of entries) {
      if (this.#stored.get(id) !== fingerprint) this.touch(id);
      await pause();
    }
    for (const id of this.#stored.keys()) {
      if (!this.#options.exists(id)) this.touch(id);
      await pause();
    }
    return busyMs + performance.now() - beganMs;
  }

  /** Writes what was touched. Rejects when Redis did not take it; then it stays touched. */
  async write(): Promise<void> {
    const { home, keys } = this.#options;
    this.#isWriting = true;
    try {
      while (this.#touched.size > 0) {
        const batch = this.#take();
        if (batch.size === 0) continue;
        try {
          await home.run(listScript, keys(), argumentsOf(batch));
        } catch (error) {
          for (const id of batch.keys()) this.touch(id);
          throw error;
        }
        this.#wrote(batch);
      }
    } finally {
      this.#isWriting = false;
    }
  }

  #take(): Map<string, ListEntry | null> {
    const batch = new Map<string, ListEntry | null>();
    for (const id of this.#touched) {
      this.#touched.delete(id);
      const entry = this.#options.read(id);
      if (entry === null && !this.#stored.has(id)) continue;
      this.#stored.set(id, Number.NaN);
      batch.set(id, entry);
      if (batch.size === MAX_BATCH_ENTRIES) break;
    }
    return batch;
  }

  #wrote(batch: ReadonlyMap<string, ListEntry | null>): void {
    for (const [id, entry] of batch) {
      if (entry === null) this.#stored.delete(id);
      else this.#stored.set(id, entry.fingerprint);
    }
  }
}

function argumentsOf(batch: ReadonlyMap<string, ListEntry | null>): string[] {
  const args: string[] = [];
  for (const [id, entry] of batch) args.push(id, entry?.alias ?? "", entry?.text ?? "");
  return args;
}
