/** A map that holds at most `max` entries: beyond it the least recently used goes. */
export class LruMap<Value> {
  readonly #max: number;
  readonly #values = new Map<string, Value>();

  /** @param max at least 1 */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#values.size;
  }

  /** Looks without using it. */
  peek(key: string): Value | undefined {
    return this.#values.get(key);
  }

  /** The value of the key, made when there is none; from now on the most recently used. */
  use(key: string, make: () => Value): Value {
    const known = this.#values.get(key);
    const value = known ?? make();
    if (known !== undefined) this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.#max) {
      const oldest = this.#values.keys().next();
      if (oldest.done !== true) this.#values.delete(oldest.value);
    }
    return value;
  }
}
