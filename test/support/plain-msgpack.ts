/**
 * A second msgpack, written from its specification and for clearness alone. The golden vectors and the hand
 * codec are held against it, so it shares no code with protocol/.
 */
export type PlainValue =
  null | boolean | number | string | Uint8Array | PlainValue[] | Map<string, PlainValue>;

/** The bytes are not what the format or the limits allow. */
export class PlainError extends Error {
  override readonly name = "PlainError";
}

export interface PlainLimits {
  /** Levels of arrays and maps, the outermost included. */
  readonly maxDepth: number;
  /** Items of the outermost array. */
  readonly maxFields: number;
}

/** Reads one value at a time from the front of some bytes. */
export class PlainReader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = at;
  }

  /** A frame: an array that is not empty, with fixarray or array 16 as its head, within the limits. */
  frame(limits: PlainLimits): PlainValue[] {
    const head = this.#peek();
    if (head >>> 4 !== 0x9 && head !== 0xdc) throw new PlainError("not an array");
    const value = this.value(limits.maxDepth);
    if (!Array.isArray(value)) throw new PlainError("not an array");
    if (value.length === 0) throw new PlainError("no op");
    if (value.length > limits.maxFields) throw new PlainError("too many fields");
    return value;
  }

  value(depth: number): PlainValue {
    const head = this.#uint(1);
    if (head <= 0x7f) return head;
    if (head <= 0x8f) return this.#map(head & 0x0f, depth);
    if (head <= 0x9f) return this.#array(head & 0x0f, depth);
    if (head <= 0xbf) return this.#string(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#uint(1 << (head - 0xc4)));
      case 0xca:
        return this.#number(4, (at) => this.#view.getFloat32(at));
      case 0xcb:
        return this.#number(8, (at) => this.#view.getFloat64(at));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (head - 0xcc));
      case 0xcf:
        return this.#number(8, (at) => Number(this.#view.getBigUint64(at)));
      case 0xd0:
        return this.#number(1, (at) => this.#view.getInt8(at));
      case 0xd1:
        return this.#number(2, (at) => this.#view.getInt16(at));
      case 0xd2:
        return this.#number(4, (at) => this.#view.getInt32(at));
      case 0xd3:
        return this.#number(8, (at) => Number(this.#view.getBigInt64(at)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(this.#uint(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 << (head - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (head - 0xde)), depth);
      default:
        throw new PlainError(`format 0x${head.toString(16)} is an extension or unused`);
    }
  }

  #peek(): number {
    const head = this.#bytes[this.at];
    if (head === undefined) throw new PlainError("cut short");
    return head;
  }

  #take(length: number): Uint8Array {
    if (this.at + length > this.#bytes.length) throw new PlainError("cut short");
    this.at += length;
    return this.#bytes.slice(this.at - length, this.at);
  }

  #number(size: number, read: (at: number) => number): number {
    this.#take(size);
    return read(this.at - size);
  }

  #uint(size: number): number {
    return this.#take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  #string(length: number): string {
    return Buffer.from(this.#take(length)).toString("utf8");
  }

  #array(count: number, depth: number): PlainValue[] {
    if (depth <= 0) throw new PlainError("too deep");
    const items: PlainValue[] = [];
    while (items.length < count) items.push(this.value(depth - 1));
    return items;
  }

  #map(count: number, depth: number): Map<string, PlainValue> {
    if (depth <= 0) throw new PlainError("too deep");
    const map = new Map<string, PlainValue>();
    for (let i = 0; i < count; i++) {
      const head = this.#peek();
      if ((head < 0xa0 || head > 0xbf) && head !== 0xd9) throw new PlainError("not a short key");
      const key = this.value(depth - 1);
      if (typeof key === "string") map.set(key, this.value(depth - 1));
    }
    return map;
  }
}

/** Reads all frames of a message. */
export function plainFrames(message: Uint8Array, limits: PlainLimits): PlainValue[][] {
  const reader = new PlainReader(message);
  const frames: PlainValue[][] = [];
  while (reader.at < message.length) frames.push(reader.frame(limits));
  return frames;
}
