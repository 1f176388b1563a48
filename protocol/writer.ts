/**
 * Named msgpack writes over a caller's bytes; with reader.ts and msgpack-end.ts the only index arithmetic.
 * Each returns the position after what it wrote. The caller has made sure of the room.
 */

/** Bytes that `writeUint` will use. */
export function uintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  return value < 0x1_0000_0000 ? 5 : 9;
}

/** Bytes of the header that `writeBinHeader` will use. */
export function binHeaderSize(length: number): number {
  if (length < 0x100) return 2;
  return length < 0x1_0000 ? 3 : 5;
}

/** Writes an unsigned integer up to 2^53-1 in its shortest msgpack format. */
export function writeUint(bytes: Uint8Array, pos: number, value: number): number {
  if (value < 0x80) {
    bytes[pos] = value;
    return pos + 1;
  }
  if (value < 0x100) {
    bytes[pos] = 0xcc;
    bytes[pos + 1] = value;
    return pos + 2;
  }
  if (value < 0x1_0000) {
    bytes[pos] = 0xcd;
    bytes[pos + 1] = value >>> 8;
    bytes[pos + 2] = value;
    return pos + 3;
  }
  if (value < 0x1_0000_0000) {
    bytes[pos] = 0xce;
    return writeUint32(bytes, pos + 1, value);
  }
  bytes[pos] = 0xcf;
  writeUint32(bytes, pos + 1, Math.floor(value / 0x1_0000_0000));
  return writeUint32(bytes, pos + 5, value >>> 0);
}

/** Writes four bytes, big-endian, without a format byte. */
export function writeUint32(bytes: Uint8Array, pos: number, value: number): number {
  bytes[pos] = value >>> 24;
  bytes[pos + 1] = value >>> 16;
  bytes[pos + 2] = value >>> 8;
  bytes[pos + 3] = value;
  return pos + 4;
}

/** Writes the header of a `bin` of `length` bytes; the bytes themselves follow. */
export function writeBinHeader(bytes: Uint8Array, pos: number, length: number): number {
  if (length < 0x100) {
    bytes[pos] = 0xc4;
    bytes[pos + 1] = length;
    return pos + 2;
  }
  if (length < 0x1_0000) {
    bytes[pos] = 0xc5;
    bytes[pos + 1] = length >>> 8;
    bytes[pos + 2] = length;
    return pos + 3;
  }
  bytes[pos] = 0xc6;
  return writeUint32(bytes, pos + 1, length);
}

/** Writes an ASCII string (names, epochs) with its header. The caller knows that it is ASCII and at most 255 long. */
export function writeAscii(bytes: Uint8Array, pos: number, value: string): number {
  const length = value.length;
  let at = pos;
  if (length < 32) bytes[at++] = 0xa0 | length;
  else {
    bytes[at++] = 0xd9;
    bytes[at++] = length;
  }
  for (let i = 0; i < length; i++) bytes[at++] = value.charCodeAt(i);
  return at;
}

/** Bytes that `writeAscii` will use. */
export function asciiSize(value: string): number {
  return value.length + (value.length < 32 ? 1 : 2);
}

/** Up to this many bytes a loop beats the call (Bun 1.4.5, bench/micro/copy.bench.ts, 2026-11-22). */
const MAX_LOOP_BYTES = 24;

type NativeCopy = (
  this: Uint8Array,
  target: Uint8Array,
  pos: number,
  start: number,
  end: number,
) => number;

/** Copies a range without a view of it; Bun and Node have it, browsers do not. */
const nativeCopy: NativeCopy | undefined = (
  globalThis as { Buffer?: { prototype: { copy: NativeCopy } } }
).Buffer?.prototype.copy;

/**
 * Copies `source[start, end)` to `target` at `pos`; returns the position after it. On a message that has
 * just arrived, the first view that `set` needs costs as much as copying some hundred bytes.
 */
export function copyBytes(
  target: Uint8Array,
  pos: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length <= MAX_LOOP_BYTES) {
    for (let i = 0; i < length; i++) target[pos + i] = source[start + i] as number;
  } else if (nativeCopy !== undefined) nativeCopy.call(source, target, pos, start, end);
  else target.set(source.subarray(start, end), pos);
  return pos + length;
}
