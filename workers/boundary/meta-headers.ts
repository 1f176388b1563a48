import {
  MAX_HEADER_NAME_BYTES,
  MAX_HEADER_VALUE_BYTES,
  MAX_HEADERS,
  MAX_META_BYTES,
} from "../../protocol/limits.ts";
import { copyBytes } from "../../protocol/writer.ts";

/**
 * A transform may change the headers of a publication and nothing else of its meta [P-6.9]. So only the headers
 * cross back, as a msgpack map of strings, and the host puts them between the bytes it has kept: id, trace context,
 * time and user cannot be forged.
 */

const HEADERS_FIELD = 2;
const NIL = 0xc0;

/** Length of the str at `pos`, its header included; -1 when there is none within `end`. */
function stringSize(bytes: Uint8Array, pos: number, end: number): number {
  if (pos >= end) return -1;
  const head = bytes[pos] as number;
  let size = -1;
  if (head >>> 5 === 5) size = 1 + (head & 0x1f);
  else if (head === 0xd9 && pos + 2 <= end) size = 2 + (bytes[pos + 1] as number);
  else if (head === 0xda && pos + 3 <= end) {
    size = 3 + (((bytes[pos + 1] as number) << 8) | (bytes[pos + 2] as number));
  }
  return size > end - pos ? -1 : size;
}

/** Whether `bytes[start, end)` is a map of strings within the bounds of headers. */
export function isHeaders(bytes: Uint8Array, start: number, end: number): boolean {
  const size = headersSize(bytes, start, end);
  return size !== -1 && size === end - start;
}

function headersSize(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1;
  const head = bytes[start] as number;
  let at = start + 1;
  let count = head & 0x0f;
  if (head === 0xde && at + 2 <= end) {
    count = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    at += 2;
  } else if (head >>> 4 !== 8) return -1;
  if (count > MAX_HEADERS) return -1;
  for (let i = 0; i < count; i++) {
    const name = stringSize(bytes, at, end);
    if (name === -1 || name > 3 + MAX_HEADER_NAME_BYTES) return -1;
    const value = stringSize(bytes, at + name, end);
    if (value === -1 || value > 3 + MAX_HEADER_VALUE_BYTES) return -1;
    at += name + value;
  }
  return at - start;
}

/** End of a field in front of the headers, or of the headers themselves: nil, a string or a map of strings. */
function fieldEnd(meta: Uint8Array, pos: number): number {
  if (meta[pos] === NIL) return pos + 1;
  const string = stringSize(meta, pos, meta.length);
  if (string !== -1) return pos + string;
  const headers = headersSize(meta, pos, meta.length);
  if (headers === -1) throw new RangeError("the meta field is not one the broker wrote");
  return pos + headers;
}

/**
 * The same meta with other headers, in bytes of its own.
 * @param headers a map of strings that `isHeaders` has accepted
 * @returns null when it would be larger than meta may be
 * @throws RangeError when `meta` is not an encoded meta field
 */
export function withHeaders(meta: Uint8Array | null, headers: Uint8Array): Uint8Array | null {
  if (meta === null) {
    const bytes = new Uint8Array(3 + headers.length);
    bytes.set([0x93, NIL, NIL]);
    bytes.set(headers, 3);
    return bytes.length > MAX_META_BYTES ? null : bytes;
  }
  const head = meta[0] ?? 0;
  const fields = head & 0x0f;
  if (head >>> 4 !== 9) throw new RangeError("the meta field is not one the broker wrote");
  let start = 1;
  for (let i = 0; i < Math.min(fields, HEADERS_FIELD); i++) start = fieldEnd(meta, start);
  const end = fields > HEADERS_FIELD ? fieldEnd(meta, start) : start;
  const missing = Math.max(0, HEADERS_FIELD - fields);
  const size = start + missing + headers.length + meta.length - end;
  if (size > MAX_META_BYTES) return null;
  const bytes = new Uint8Array(size).fill(NIL);
  copyBytes(bytes, 0, meta, 0, start);
  bytes[0] = 0x90 | Math.max(fields, HEADERS_FIELD + 1);
  const at = copyBytes(bytes, start + missing, headers, 0, headers.length);
  copyBytes(bytes, at, meta, end, meta.length);
  return bytes;
}
