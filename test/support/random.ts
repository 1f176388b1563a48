/**
 * A seeded generator (mulberry32), so that a failing random test can be replayed: its seed is printed on
 * stderr, and `TICKWIRE_SEED=<seed>` in the environment uses it again.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to 2^32-1. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `below - 1`. */
  below(below: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * below);
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.uint32() < probability * 0x1_0000_0000;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[this.below(items.length)] as T;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.uint32();
    return bytes;
  }

  /** Text of `length` characters of the alphabet. */
  text(length: number, alphabet: string): string {
    let text = "";
    for (let i = 0; i < length; i++) text += alphabet[this.below(alphabet.length)];
    return text;
  }
}

/** The seed of this run, printed for replay. */
export function announceSeed(suite: string): number {
  const given = process.env["TICKWIRE_SEED"];
  const seed = given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(given);
  if (seed === undefined || !Number.isInteger(seed)) {
    throw new Error(`TICKWIRE_SEED must be a whole number, not "${given}"`);
  }
  process.stderr.write(`${suite}: seed ${seed} (TICKWIRE_SEED=${seed} replays it)\n`);
  return seed >>> 0;
}
