import type { Publication } from "./publication.ts";

type Waiter<T> = {
  resolve(result: IteratorResult<Publication<T>, undefined>): void;
  reject(error: unknown): void;
};

/** Read items are let go of when there are this many. */
const COMPACT_AT = 1024;

/**
 * Publications between a subscription and the loop that reads them. Bounded: when it is full, the oldest
 * eighth is taken out in one go and handed to `onDropped`, so that what a slow reader misses is told in few
 * words and costs nothing per publication.
 */
export class PublicationQueue<T> {
  readonly #maxQueued: number;
  readonly #onDropped: (dropped: readonly Publication<T>[]) => void;
  readonly #items: Publication<T>[] = [];
  /** Index of the oldest item; those before it have been read. */
  #head = 0;
  readonly #waiters: Waiter<T>[] = [];
  #end: { readonly error: unknown } | null = null;

  constructor(maxQueued: number, onDropped: (dropped: readonly Publication<T>[]) => void) {
    this.#maxQueued = maxQueued;
    this.#onDropped = onDropped;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(publication: Publication<T>): void {
    if (this.#end !== null) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) return waiter.resolve({ done: false, value: publication });
    if (this.size >= this.#maxQueued) {
      this.#compact();
      this.#onDropped(this.#items.splice(0, Math.max(1, this.#maxQueued >>> 3)));
    }
    this.#items.push(publication);
  }

  /** The next publication; done after `end`, once what was queued has been read. */
  next(): Promise<IteratorResult<Publication<T>, undefined>> {
    return new Promise((resolve, reject) => {
      const value = this.#items[this.#head];
      if (value !== undefined) {
        if (++this.#head >= COMPACT_AT || this.size === 0) this.#compact();
        resolve({ done: false, value });
      } else if (this.#end === null) this.#waiters.push({ resolve, reject });
      else settle({ resolve, reject }, this.#end.error);
    });
  }

  /** No more will come. With an error, readers get it after the last publication. */
  end(error: unknown): void {
    this.#end ??= { error };
    for (const waiter of this.#waiters.splice(0)) settle(waiter, error);
  }

  #compact(): void {
    this.#items.splice(0, this.#head);
    this.#head = 0;
  }
}

function settle<T>(waiter: Waiter<T>, error: unknown): void {
  if (error === null) waiter.resolve({ done: true, value: undefined });
  else waiter.reject(error);
}
