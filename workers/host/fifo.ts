/** A queue in a ring that grows: first in, first out, without moving what is in it. */
export class Fifo<Item> {
  #items: (Item | undefined)[];
  #head = 0;
  #length = 0;

  /** @param capacity a power of two */
  constructor(capacity = 8) {
    this.#items = Array.from({ length: capacity });
  }

  get length(): number {
    return this.#length;
  }

  push(item: Item): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length++) & (this.#items.length - 1)] = item;
  }

  peek(): Item | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }

  /** The item at a place, counted from the head. */
  at(index: number): Item | undefined {
    if (index >= this.#length) return undefined;
    return this.#items[(this.#head + index) & (this.#items.length - 1)];
  }

  shift(): Item | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    return item;
  }

  #grow(): void {
    const grown: (Item | undefined)[] = Array.from({ length: this.#items.length * 2 });
    for (let i = 0; i < this.#length; i++) {
      grown[i] = this.#items[(this.#head + i) & (this.#items.length - 1)];
    }
    this.#items = grown;
    this.#head = 0;
  }
}
