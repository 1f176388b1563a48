import type { TopOfBook } from "../../examples/transforms/order-book/order-book.ts";
import type { BookUpdate } from "../../examples/transforms/order-book/update.ts";

/** The plain twin of OrderBook: maps, sorted each time somebody asks. */
export class PlainBook {
  readonly #bids = new Map<number, number>();
  readonly #asks = new Map<number, number>();
  #last: BookUpdate | null = null;

  apply(update: BookUpdate): void {
    if (update.type === "snapshot") {
      this.#bids.clear();
      this.#asks.clear();
    }
    for (const [side, levels] of [
      [this.#bids, update.bids],
      [this.#asks, update.asks],
    ] as const) {
      for (const [price, quantity] of levels) {
        if (quantity === 0) side.delete(price);
        else side.set(price, quantity);
      }
    }
    this.#last = update;
  }

  top(levels: number, decimals: number): TopOfBook {
    const bids = [...this.#bids].toSorted(([a], [b]) => b - a);
    const asks = [...this.#asks].toSorted(([a], [b]) => a - b);
    return {
      ts: this.#last?.timeMs ?? 0,
      u: this.#last?.id ?? 0,
      bid: bids[0]?.[0] ?? null,
      bidSize: bids[0]?.[1] ?? 0,
      ask: asks[0]?.[0] ?? null,
      askSize: asks[0]?.[1] ?? 0,
      bidVwap: average(bids.slice(0, levels), decimals),
      askVwap: average(asks.slice(0, levels), decimals),
    };
  }
}

function average(levels: readonly (readonly [number, number])[], decimals: number): number | null {
  const volume = levels.reduce((sum, [, quantity]) => sum + quantity, 0);
  const value = levels.reduce((sum, [price, quantity]) => sum + price * quantity, 0);
  return volume === 0 ? null : Number((value / volume).toFixed(decimals));
}
