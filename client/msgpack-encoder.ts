import { writeBinHeader, writeUint, writeUint32 } from "../protocol/writer.ts";

/** Nesting of a value; also what stops a circular one. */
const MAX_DEPTH = 64;
/** A buffer that grew beyond this is not kept for the next value. */
const MAX_KEPT_BYTES = 1 << 20;
const FIRST_BYTES = 4096;
/** Shorter texts are written by hand when they are ASCII; beyond it the encoder's call is worth it. */
const MAX_HAND_WRITTEN = 24;

const utf8 = new TextEncoder();

/**
 * Writes plain values as msgpack: null, booleans, numbers, bigints of 64 bits, strings, bytes (any
 * buffer or typed array), arrays, Maps, Sets (as arrays), objects, and Dates as the standard timestamp.
 * `undefined` is nil, and left out of objects. msgpackr reads all of it. It is not msgpackr itself because that
 * alone takes 12 kB of the 15 kB a page may pay for this SDK, and because its extensions (records, regular
 * expressions, errors) have no place in what strangers send each other.
 */
export class MsgpackEncoder {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #pos = 0;
  #isBusy = false;

  /**
   * Encodes one value. The result is a view that the next call overwrites.
   * @throws TypeError for what msgpack cannot say: functions, symbols, larger bigints, nesting beyond
   * 64 levels
   */
  encode(value: unknown): Uint8Array<ArrayBuffer> {
    // A getter of the value may publish something itself.
    if (this.#isBusy) return new MsgpackEncoder().encode(value);
    this.#isBusy = true;
    this.#pos = 0;
    try {
      this.#value(value, 0);
      const result = this.#bytes.subarray(0, this.#pos);
      if (result.length > MAX_KEPT_BYTES) this.#replace(FIRST_BYTES);
      return result;
    } finally {
      this.#isBusy = false;
    }
  }

  #replace(size: number): void {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Makes room for `size` bytes, moves past them and returns where they start. */
  #take(size: number): number {
    const start = this.#pos;
    const old = this.#bytes;
    this.#pos = start + size;
    if (this.#pos > old.length) {
      this.#replace(this.#pos * 2);
      this.#bytes.set(old);
    }
    return start;
  }

  #byte(byte: number): void {
    const at = this.#take(1);
    this.#bytes[at] = byte;
  }

  #value(value: unknown, depth: number): void {
    if (typeof value === "string") this.#string(value);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (value === null || value === undefined) this.#byte(0xc0);
    else if (typeof value === "bigint") this.#bigint(value);
    else if (typeof value === "object") this.#object(value, depth);
    else throw failed(`a ${typeof value}`);
  }

  #number(value: number): void {
    // The sign of -0 needs a double; so does what is no exact integer.
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      const at = this.#head(0xcb, 8);
      this.#view.setFloat64(at, value);
    } else if (value >= 0) {
      const at = this.#take(9);
      this.#pos = writeUint(this.#bytes, at, value);
    } else if (value >= -0x20) this.#byte(value);
    else if (value >= -0x80) {
      const at = this.#head(0xd0, 1);
      this.#bytes[at] = value;
    } else if (value >= -0x8000) {
      const at = this.#head(0xd1, 2);
      this.#view.setInt16(at, value);
    } else if (value >= -0x8000_0000) {
      const at = this.#head(0xd2, 4);
      this.#view.setInt32(at, value);
    } else this.#bigint(BigInt(value));
  }

  #bigint(value: bigint): void {
    const fits = value < 0n ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
    if (fits !== value) throw failed("a bigint of more than 64 bits");
    const at = this.#head(value < 0n ? 0xd3 : 0xcf, 8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value));
  }

  /** Writes a format byte and takes room for the `size` bytes after it. */
  #head(format: number, size: number): number {
    const at = this.#take(size + 1);
    this.#bytes[at] = format;
    return at + 1;
  }

  #string(value: string): void {
    const { length } = value;
    if (length <= MAX_HAND_WRITTEN) {
      const start = this.#take(length + 1);
      const bytes = this.#bytes;
      let i = 0;
      for (; i < length; i++) {
        const unit = value.charCodeAt(i);
        if (unit > 0x7f) break;
        bytes[start + 1 + i] = unit;
      }
      if (i === length) {
        bytes[start] = 0xa0 | length;
        return;
      }
      this.#pos = start;
    }
    this.#binary(utf8.encode(value), true);
  }

  #object(value: object, depth: number): void {
    if (depth >= MAX_DEPTH) throw failed("a value nested too deep, or circular,");
    if (Array.isArray(value) || value instanceof Set) {
      const items = [...(value as Iterable<unknown>)];
      this.#length(items.length, 0x90, 0xdc);
      for (const item of items) this.#value(item, depth + 1);
    } else if (value instanceof Date) this.#date(value.getTime());
    else if (value instanceof ArrayBuffer) this.#binary(new Uint8Array(value));
    else if (ArrayBuffer.isView(value)) {
      this.#binary(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    } else {
      const entries: [unknown, unknown][] =
        value instanceof Map
          ? [...value]
          : Object.entries(value).filter((entry) => entry[1] !== undefined);
      this.#length(entries.length, 0x80, 0xde);
      for (const [key, item] of entries) {
        this.#value(key, depth + 1);
        this.#value(item, depth + 1);
      }
    }
  }

  /** Bytes after their header; that of a text is the one of a binary, 21 further on, or shorter. */
  #binary(bytes: Uint8Array, isText = false): void {
    const { length } = bytes;
    if (isText && length < 32) this.#byte(0xa0 | length);
    else {
      const at = this.#take(5);
      this.#pos = writeBinHeader(this.#bytes, at, length);
      if (isText) this.#bytes[at] = (this.#bytes[at] as number) + 21;
    }
    const at = this.#take(length);
    this.#bytes.set(bytes, at);
  }

  /** A length: `fix | n` below 16, else two bytes after `format` or four after the next. */
  #length(length: number, fix: number, format: number): void {
    if (length < 16) this.#byte(fix | length);
    else if (length < 0x1_0000) {
      const at = this.#head(format, 2);
      this.#view.setUint16(at, length);
    } else {
      const at = this.#head(format + 1, 4);
      writeUint32(this.#bytes, at, length);
    }
  }

  /** Extension -1 with 96 bits: c7 0c ff | nanoseconds u32 | seconds i64 */
  #date(ms: number): void {
    if (Number.isNaN(ms)) throw failed("an invalid Date");
    const seconds = Math.floor(ms / 1000);
    const at = this.#head(0xc7, 14);
    this.#view.setUint16(at, 0x0cff);
    this.#view.setUint32(at + 2, (ms - seconds * 1000) * 1_000_000);
    this.#view.setBigInt64(at + 6, BigInt(seconds));
  }
}

function failed(what: string): TypeError {
  return new TypeError(`${what} cannot be encoded`);
}
