import type { Random } from "./random.ts";

/** Integers at the ends of their formats, and lengths nobody has the bytes for. */
const EXTREMES = [
  "cf ffffffffffffffff",
  "cf 0020000000000000",
  "d3 8000000000000000",
  "d3 7fffffffffffffff",
  "ce ffffffff",
  "d2 80000000",
  "cb 7ff0000000000000",
  "cb 7ff8000000000000",
  "cb 8000000000000000",
  "ca ff800000",
  "c6 ffffffff",
  "c5 ffff",
  "c4 ff",
  "db ffffffff",
  "da ffff",
  "dd ffffffff",
  "dc ffff",
  "df ffffffff",
  "de ffff",
  "c9 ffffffff 72",
  "d4 72 40",
  "c1",
].map((hex) => Uint8Array.fromHex(hex.replaceAll(" ", "")));

const SCRATCH_BYTES = 16 * 1024;

/**
 * Makes damaged messages out of good ones. `next` returns a view of a buffer that is used again: keep
 * nothing of it.
 */
export class Mutator {
  readonly #random: Random;
  readonly #seeds: readonly Uint8Array[];
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  #length = 0;

  constructor(random: Random, seeds: readonly Uint8Array[]) {
    this.#random = random;
    this.#seeds = seeds.filter(({ length }) => length > 0 && length < SCRATCH_BYTES / 4);
  }

  /** Noise now and then, else a good message with one to four damages. */
  next(): Uint8Array {
    const random = this.#random;
    if (random.chance(0.1)) this.#noise();
    else {
      this.#set(random.pick(this.#seeds));
      const count = random.between(1, 4);
      for (let i = 0; i < count; i++) this.#damage();
    }
    return this.#scratch.subarray(0, this.#length);
  }

  #set(bytes: Uint8Array): void {
    this.#scratch.set(bytes);
    this.#length = bytes.length;
  }

  #noise(): void {
    const random = this.#random;
    this.#length = random.between(0, 40);
    for (let i = 0; i < this.#length; i++) this.#scratch[i] = random.uint32();
    // A head that fits, or nearly all of it would end at the first byte.
    if (random.chance(0.8)) this.#scratch[0] = 0x90 | random.below(16);
  }

  #damage(): void {
    const random = this.#random;
    const at = random.below(Math.max(1, this.#length));
    switch (random.below(10)) {
      case 0:
      case 1:
        this.#scratch[at] = (this.#scratch[at] as number) ^ (1 << random.below(8));
        break;
      case 2:
        this.#scratch[at] = random.between(0x80, 0xff);
        break;
      case 3:
        this.#length = at;
        break;
      case 4:
        this.#insert(at, random.pick(this.#seeds));
        break;
      case 5:
        this.#insert(at, random.pick(EXTREMES));
        break;
      case 6:
        this.#overwrite(at, random.pick(EXTREMES));
        break;
      case 7:
        this.#lieAboutLength(at);
        break;
      case 8:
        this.#insert(at, this.#scratch.slice(at, Math.min(this.#length, at + random.below(20))));
        break;
      default:
        this.#remove(at, random.between(1, 4));
    }
  }

  #insert(at: number, bytes: Uint8Array): void {
    if (this.#length + bytes.length > SCRATCH_BYTES) return;
    this.#scratch.copyWithin(at + bytes.length, at, this.#length);
    this.#scratch.set(bytes, at);
    this.#length += bytes.length;
  }

  #overwrite(at: number, bytes: Uint8Array): void {
    const kept = bytes.subarray(0, this.#length - at);
    this.#scratch.set(kept, at);
  }

  #remove(at: number, count: number): void {
    this.#scratch.copyWithin(at, at + count, this.#length);
    this.#length = Math.max(0, this.#length - count);
  }

  /** The next byte that starts a value with a length says another. */
  #lieAboutLength(from: number): void {
    for (let at = from; at < this.#length; at++) {
      const head = this.#scratch[at] as number;
      if (head >= 0x80 && head < 0xc0) {
        const mask = head < 0xa0 ? 0xf0 : 0xe0;
        this.#scratch[at] = (head & mask) | (this.#random.uint32() & ~mask & 0xff);
        return;
      }
      if ((head >= 0xc4 && head <= 0xc6) || (head >= 0xd9 && head <= 0xdf)) {
        this.#scratch[at + 1] = this.#random.pick([0x00, 0x01, 0x7f, 0x80, 0xff]);
        return;
      }
    }
  }
}
