/**
 * One side of an order book: prices in order, the best one last, because that is where almost all changes are and
 * where an array is cheapest to change.
 */
export class BookSide {
  readonly #isBid: boolean;
  readonly #prices: number[] = [];
  readonly #quantities: number[] = [];

  constructor(isBid: boolean) {
    this.#isBid = isBid;
  }

  get size(): number {
    return this.#prices.length;
  }

  get bestPrice(): number | null {
    return this.#prices.at(-1) ?? null;
  }

  get bestQuantity(): number {
    return this.#quantities.at(-1) ?? 0;
  }

  clear(): void {
    this.#prices.length = 0;
    this.#quantities.length = 0;
  }

  /** Sets what is offered at a price; 0 removes it. */
  set(price: number, quantity: number): void {
    const at = this.#placeOf(price);
    const isThere = this.#prices[at] === price;
    if (quantity === 0) {
      if (!isThere) return;
      this.#prices.splice(at, 1);
      this.#quantities.splice(at, 1);
    } else if (isThere) {
      this.#quantities[at] = quantity;
    } else {
      this.#prices.splice(at, 0, price);
      this.#quantities.splice(at, 0, quantity);
    }
  }

  /** Drops the worst prices over a bound, so that a feed that never deletes cannot fill the memory. */
  truncate(maxSize: number): void {
    const excess = this.#prices.length - maxSize;
    if (excess <= 0) return;
    this.#prices.splice(0, excess);
    this.#quantities.splice(0, excess);
  }

  /** Volume-weighted average price of the best levels; null when there is none. */
  vwap(levels: number): number | null {
    let value = 0;
    let volume = 0;
    const first = Math.max(0, this.#prices.length - levels);
    for (let i = this.#prices.length - 1; i >= first; i--) {
      const quantity = this.#quantities[i] as number;
      value += (this.#prices[i] as number) * quantity;
      volume += quantity;
    }
    return volume === 0 ? null : value / volume;
  }

  /** Prices and quantities, the best first. */
  levels(): [price: number, quantity: number][] {
    return this.#prices
      .map((price, i): [number, number] => [price, this.#quantities[i] as number])
      .toReversed();
  }

  /** Where the price is, or would be. */
  #placeOf(price: number): number {
    let low = 0;
    let high = this.#prices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#prices[middle] as number;
      if (this.#isBid ? other < price : other > price) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
