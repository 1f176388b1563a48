import { BookSide } from "./book-side.ts";
import type { BookUpdate } from "./update.ts";

/** What subscribers get: the best prices, and what the best levels cost on average. */
export interface TopOfBook {
  /** Of the newest update in it, ms since 1970. */
  readonly ts: number;
  readonly u: number;
  readonly bid: number | null;
  readonly bidSize: number;
  readonly ask: number | null;
  readonly askSize: number;
  /** Volume-weighted average price of the best levels of each side. */
  readonly bidVwap: number | null;
  readonly askVwap: number | null;
}

/** The book as plain data, for a move to another worker. */
export interface BookSnapshot {
  readonly lastId: number | null;
  readonly timeMs: number;
  readonly bids: readonly (readonly [number, number])[];
  readonly asks: readonly (readonly [number, number])[];
  readonly shown: TopOfBook | null;
}

export interface BookOptions {
  /** Levels of each side that count for the average. */
  readonly levels: number;
  /** Levels of each side that are kept. */
  readonly maxLevels: number;
  /** Decimals of the averages. */
  readonly decimals: number;
}

/** What became of an update. A book that has no snapshot, or missed a delta, waits for a snapshot. */
export type Applied = "applied" | "old" | "no-snapshot" | "gap";

/** The order book of one channel. */
export class OrderBook {
  readonly #options: BookOptions;
  readonly #bids = new BookSide(true);
  readonly #asks = new BookSide(false);
  /** Null while it waits for a snapshot. */
  #lastId: number | null = null;
  #timeMs = 0;
  #shown: TopOfBook | null = null;

  constructor(options: BookOptions, snapshot?: BookSnapshot) {
    this.#options = options;
    if (snapshot === undefined) return;
    for (const [price, quantity] of snapshot.bids) this.#bids.set(price, quantity);
    for (const [price, quantity] of snapshot.asks) this.#asks.set(price, quantity);
    this.#lastId = snapshot.lastId;
    this.#timeMs = snapshot.timeMs;
    this.#shown = snapshot.shown;
  }

  apply(update: BookUpdate): Applied {
    if (update.type === "snapshot") {
      this.#bids.clear();
      this.#asks.clear();
    } else if (this.#lastId === null) {
      return "no-snapshot";
    } else if (update.id <= this.#lastId) {
      return "old";
    } else if (update.id !== this.#lastId + 1) {
      this.#lastId = null;
      return "gap";
    }
    for (const [price, quantity] of update.bids) this.#bids.set(price, quantity);
    for (const [price, quantity] of update.asks) this.#asks.set(price, quantity);
    this.#bids.truncate(this.#options.maxLevels);
    this.#asks.truncate(this.#options.maxLevels);
    this.#lastId = update.id;
    this.#timeMs = update.timeMs;
    return "applied";
  }

  top(): TopOfBook {
    const { levels } = this.#options;
    return {
      ts: this.#timeMs,
      u: this.#lastId ?? 0,
      bid: this.#bids.bestPrice,
      bidSize: this.#bids.bestQuantity,
      ask: this.#asks.bestPrice,
      askSize: this.#asks.bestQuantity,
      bidVwap: this.#rounded(this.#bids.vwap(levels)),
      askVwap: this.#rounded(this.#asks.vwap(levels)),
    };
  }

  /** The top, when subscribers have not seen one like it last; it then counts as seen. */
  takeChanged(): TopOfBook | null {
    const top = this.top();
    if (this.#shown !== null && isSameTop(top, this.#shown)) return null;
    this.#shown = top;
    return top;
  }

  snapshot(): BookSnapshot {
    return {
      lastId: this.#lastId,
      timeMs: this.#timeMs,
      bids: this.#bids.levels(),
      asks: this.#asks.levels(),
      shown: this.#shown,
    };
  }

  #rounded(price: number | null): number | null {
    return price === null ? null : Number(price.toFixed(this.#options.decimals));
  }
}

/** Time and number of the update alone are no news. */
function isSameTop(a: TopOfBook, b: TopOfBook): boolean {
  return (
    a.bid === b.bid &&
    a.bidSize === b.bidSize &&
    a.ask === b.ask &&
    a.askSize === b.askSize &&
    a.bidVwap === b.bidVwap &&
    a.askVwap === b.askVwap
  );
}
