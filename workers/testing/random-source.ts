const ODD_TEXT = [
  "",
  "\u0000",
  "é",
  "漢",
  "😀",
  "\ud800",
  "<b>",
  '"',
  "\\",
  "__proto__",
  "NaN",
  "1e999",
];
const ODD_NUMBERS = [0, -0, -1, 1, 0.1, 1e21, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 63), 255, 256];

/** Random data from a seed (a linear congruential generator with a mixed output, 32 bits). */
export class RandomSource {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x7feb_352d);
    mixed ^= mixed >>> 15;
    return Math.floor(((mixed >>> 0) / 0x1_0000_0000) * limit);
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.below(1_000_000) < probability * 1_000_000;
  }

  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[this.below(items.length)] as Item;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  text(length: number): string {
    let text = "";
    for (let i = 0; i < length; i++) {
      text += this.chance(0.1) ? this.pick(ODD_TEXT) : String.fromCharCode(this.between(32, 126));
    }
    return text;
  }

  /** A value that JSON and msgpack both have. */
  value(depth: number): unknown {
    const kind = this.below(depth <= 0 ? 5 : 8);
    if (kind === 0) return null;
    if (kind === 1) return this.chance(0.5);
    if (kind === 2) return this.pick(ODD_NUMBERS);
    if (kind === 3) return this.below(1_000_000);
    if (kind === 4) return this.text(this.below(12));
    const length = this.below(5);
    if (kind === 5) return Array.from({ length }, () => this.value(depth - 1));
    return Object.fromEntries(
      Array.from({ length }, () => [this.text(this.between(1, 6)), this.value(depth - 1)]),
    );
  }
}
