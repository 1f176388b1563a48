import type { PublicationView } from "../protocol/messages/publication.ts";
import { Op } from "../protocol/op.ts";

/** Nesting of a value from the wire. */
const MAX_DEPTH = 64;

/** Longest text that is cached; the cache has a place for each of 256 hashes. */
const MAX_CACHED_BYTES = 16;
const cache: ({ readonly bytes: Uint8Array; readonly text: string } | undefined)[] = [];

// A byte order mark is part of the text, not for the decoder to eat.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Reads msgpack values from bytes nobody has checked. Lengths are compared with what is there before anything
 * is made. Maps become objects; integers that a double cannot hold become bigints; binaries are views of the
 * input; of the extensions only the standard timestamp (a Date) and msgpackr's `undefined` are known.
 */
export class MsgpackDecoder {
  #bytes: Uint8Array = new Uint8Array(0);
  /** Made when the first field needs it: many values have only bytes, short integers and text. */
  #lazyView: DataView | null = null;
  #pos = 0;

  /**
   * Reads the value that fills the bytes.
   * @throws Error saying what is wrong; the caller gives it a code
   */
  decode(bytes: Uint8Array): unknown {
    const value = this.decodeAt(bytes, 0);
    if (this.#pos !== bytes.length) throw new Error("bytes left over");
    return value;
  }

  /**
   * Reads one of several values; `end` then says where the next starts.
   * @throws Error saying what is wrong
   */
  decodeAt(bytes: Uint8Array, pos: number): unknown {
    this.#start(bytes, pos);
    return this.#value(MAX_DEPTH);
  }

  /**
   * Reads a plain publication without making anything; false for every other frame, which `decodeAt` is for.
   * @throws Error saying what is wrong
   */
  publicationAt(bytes: Uint8Array, pos: number, view: PublicationView): boolean {
    if (bytes[pos] !== 0x94 || bytes[pos + 1] !== Op.publication) return false;
    this.#start(bytes, pos + 2);
    const channelId = this.#value(1);
    const offset = this.#value(1);
    const format = (bytes[this.#take(1)] as number) - 0xc4;
    if (!isUint(channelId) || !isUint(offset) || format < 0 || format > 2) return false;
    view.channelId = channelId;
    view.offset = offset;
    view.payloadStart = this.#take(this.#uint(format));
    view.payloadEnd = this.#pos;
    return true;
  }

  #start(bytes: Uint8Array, pos: number): void {
    if (bytes !== this.#bytes) this.#lazyView = null;
    this.#bytes = bytes;
    this.#pos = pos;
  }

  get end(): number {
    return this.#pos;
  }

  get #view(): DataView {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    return (this.#lazyView ??= new DataView(buffer, byteOffset, byteLength));
  }

  /** Moves past `size` bytes and returns where they start. */
  #take(size: number): number {
    const start = this.#pos;
    this.#pos = start + size;
    if (this.#pos > this.#bytes.length) throw new Error("cut short");
    return start;
  }

  #value(depth: number): unknown {
    const at = this.#take(1);
    const head = this.#bytes[at] as number;
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f, depth);
    if (head < 0xa0) return this.#array(head & 0x0f, depth);
    if (head < 0xc0) return this.#string(head & 0x1f);
    if (head === 0xc0) return null;
    if (head === 0xc1) throw new Error("not msgpack");
    if (head < 0xc4) return head === 0xc3;
    if (head < 0xc7) return this.#binary(this.#uint(head - 0xc4));
    if (head < 0xca) return this.#extension(this.#uint(head - 0xc7));
    if (head === 0xca) return this.#view.getFloat32(this.#take(4));
    if (head === 0xcb) return this.#view.getFloat64(this.#take(8));
    if (head < 0xcf) return this.#uint(head - 0xcc);
    if (head === 0xcf) return plain(this.#view.getBigUint64(this.#take(8)));
    if (head === 0xd0) return this.#view.getInt8(this.#take(1));
    if (head === 0xd1) return this.#view.getInt16(this.#take(2));
    if (head === 0xd2) return this.#view.getInt32(this.#take(4));
    if (head === 0xd3) return plain(this.#view.getBigInt64(this.#take(8)));
    if (head < 0xd9) return this.#extension(1 << (head - 0xd4));
    if (head < 0xdc) return this.#string(this.#uint(head - 0xd9));
    if (head < 0xde) return this.#array(this.#uint(head - 0xdb), depth);
    if (head < 0xe0) return this.#map(this.#uint(head - 0xdd), depth);
    return head - 0x100;
  }

  /** An unsigned integer of 1, 2 or 4 bytes for a `power` of 0, 1 or 2. */
  #uint(power: number): number {
    let at = this.#take(1 << power);
    let value = 0;
    while (at < this.#pos) value = value * 256 + (this.#bytes[at++] as number);
    return value;
  }

  #binary(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Short texts, map keys above all, come again and again: making a string costs ten times a look-up. */
  #string(length: number): string {
    const start = this.#take(length);
    const bytes = this.#bytes;
    let hash = length;
    if (length <= MAX_CACHED_BYTES) {
      for (let i = 0; i < length; i++) hash = (hash * 31 + (bytes[start + i] as number)) & 0xff;
      const known = cache[hash];
      if (known !== undefined && known.bytes.length === length) {
        let i = 0;
        while (i < length && known.bytes[i] === bytes[start + i]) i++;
        if (i === length) return known.text;
      }
    }
    const own = bytes.slice(start, start + length);
    const text = utf8.decode(own);
    if (length <= MAX_CACHED_BYTES) cache[hash] = { bytes: own, text };
    return text;
  }

  #array(length: number, depth: number): unknown[] {
    this.#enter(length, depth);
    const values: unknown[] = [];
    for (let i = 0; i < length; i++) values.push(this.#value(depth - 1));
    return values;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    this.#enter(length * 2, depth);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const key = this.#value(depth - 1);
      // Assigning to __proto__ would change the object's prototype instead of adding a property.
      const isKey = typeof key === "string" || typeof key === "number";
      if (!isKey || key === "__proto__") throw new Error("not a map key");
      map[key] = this.#value(depth - 1);
    }
    return map;
  }

  /** Every item takes at least one byte: a count beyond what is left is a lie. */
  #enter(items: number, depth: number): void {
    if (depth === 0) throw new Error("nested too deep");
    if (items > this.#bytes.length - this.#pos) throw new Error("cut short");
  }

  #extension(length: number): unknown {
    const type = this.#view.getInt8(this.#take(1));
    const at = this.#take(length);
    const view = this.#view;
    if (type === -1 && length === 4) return new Date(view.getUint32(at) * 1000);
    if (type === -1 && length === 8) {
      // 30 bits of nanoseconds, 34 bits of seconds.
      const high = view.getUint32(at);
      const seconds = (high & 3) * 0x1_0000_0000 + view.getUint32(at + 4);
      return new Date(seconds * 1000 + (high >>> 2) / 1e6);
    }
    if (type === -1 && length === 12) {
      return new Date(Number(view.getBigInt64(at + 4)) * 1000 + view.getUint32(at) / 1e6);
    }
    if (type === 0 && length === 1) return undefined;
    throw new Error(`unknown extension ${type}`);
  }
}

function plain(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

export function isUint(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
