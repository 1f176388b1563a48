import { badFrame } from "./errors.ts";
import { msgpackEnd } from "./msgpack-end.ts";
import type { MsgpackRules } from "./msgpack-end.ts";

/**
 * Named msgpack reads over bytes we do not trust. `FrameReader` is for the hot frames: its methods
 * return false or -1 instead of throwing, and the caller then takes the general path, which says
 * precisely what is wrong. `frameEnd` is the guard in front of that path.
 */
export class FrameReader {
  bytes: Uint8Array;
  pos = 0;
  end = 0;
  /** Range of the last string or binary read. */
  rangeStart = 0;
  rangeEnd = 0;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  reset(bytes: Uint8Array, pos: number, end: number): void {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
  }

  /** An unsigned integer in any unsigned format, shortest or not, up to 2^53-1; -1 when it is something else. */
  uint(): number {
    const { bytes, pos } = this;
    if (pos >= this.end) return -1;
    const head = bytes[pos] as number;
    if (head < 0x80) {
      this.pos = pos + 1;
      return head;
    }
    const size = head === 0xcc ? 1 : head === 0xcd ? 2 : head === 0xce ? 4 : head === 0xcf ? 8 : 0;
    if (size === 0 || pos + 1 + size > this.end) return -1;
    let value = 0;
    for (let i = 1; i <= size; i++) value = value * 256 + (bytes[pos + i] as number);
    if (value > Number.MAX_SAFE_INTEGER) return -1;
    this.pos = pos + 1 + size;
    return value;
  }

  /** Sets the range to a string's bytes (fixstr or str 8, enough for names); false when it is something else. */
  shortString(): boolean {
    const { bytes, pos } = this;
    if (pos >= this.end) return false;
    const head = bytes[pos] as number;
    let start = pos + 1;
    let length = head & 0x1f;
    if (head === 0xd9) {
      if (start >= this.end) return false;
      length = bytes[start++] as number;
    } else if (head >>> 5 !== 5) return false;
    return this.#range(start, length);
  }

  /** Sets the range to a binary's bytes; false when it is something else or runs past the end. */
  binary(): boolean {
    const { bytes, pos } = this;
    const head = pos < this.end ? bytes[pos] : 0;
    const size = head === 0xc4 ? 1 : head === 0xc5 ? 2 : head === 0xc6 ? 4 : 0;
    if (size === 0 || pos + 1 + size > this.end) return false;
    let length = 0;
    for (let i = 1; i <= size; i++) length = length * 256 + (bytes[pos + i] as number);
    return this.#range(pos + 1 + size, length);
  }

  #range(start: number, length: number): boolean {
    if (start + length > this.end) return false;
    this.rangeStart = start;
    this.rangeEnd = start + length;
    this.pos = start + length;
    return true;
  }
}

/**
 * Walks one frame from `pos` without allocating and returns where it ends. Throws `bad_frame` (fatal)
 * unless it is an array of at most `maxFields` items nested at most `maxDepth` deep, made of nil,
 * booleans, numbers, strings, binaries, arrays and maps with string keys, that ends within the bytes.
 * Extension types are refused, so a general decoder can be let loose on what passed [P-3.8].
 */
export function frameEnd(
  bytes: Uint8Array,
  pos: number,
  end: number,
  maxDepth: number,
  maxFields: number,
): number {
  const head = bytes[pos] ?? 0xc1;
  let count: number;
  let at: number;
  if (head >>> 4 === 0x9) {
    count = head & 0x0f;
    at = pos + 1;
  } else if (head === 0xdc && pos + 3 <= end) {
    count = ((bytes[pos + 1] as number) << 8) | (bytes[pos + 2] as number);
    at = pos + 3;
  } else throw badFrame("a frame must be an array");
  if (count === 0) throw badFrame("a frame must have an op");
  if (count > maxFields) throw badFrame(`a frame may have at most ${maxFields} fields`);
  for (let i = 0; i < count; i++) at = msgpackEnd(bytes, at, end, maxDepth - 1, frameRules);
  return at;
}

const frameRules: MsgpackRules = {
  what: "the frame",
  error: badFrame,
  refusal: "is not allowed here",
  hasShortKeys: true,
  hasTimestamps: false,
};
