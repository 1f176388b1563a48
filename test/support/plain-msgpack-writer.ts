import type { PlainValue } from "./plain-msgpack.ts";

/** Writes a value in the shortest msgpack format; the other half of plain-msgpack.ts. */
export function plainBytes(value: PlainValue): Uint8Array {
  return Buffer.concat(parts(value));
}

function parts(value: PlainValue): Uint8Array[] {
  if (value === null) return [Uint8Array.of(0xc0)];
  if (typeof value === "boolean") return [Uint8Array.of(value ? 0xc3 : 0xc2)];
  if (typeof value === "number") return [number(value)];
  if (typeof value === "string") {
    const text = Buffer.from(value, "utf8");
    return [head(text.length, [0xa0, 0x1f], [0xd9, 0xda, 0xdb]), text];
  }
  if (value instanceof Uint8Array) return [head(value.length, null, [0xc4, 0xc5, 0xc6]), value];
  if (Array.isArray(value)) {
    return [head(value.length, [0x90, 0x0f], [0, 0xdc, 0xdd]), ...value.flatMap(parts)];
  }
  const entries = [...value].flatMap(([key, item]) => [...parts(key), ...parts(item)]);
  return [head(value.size, [0x80, 0x0f], [0, 0xde, 0xdf]), ...entries];
}

/** The head of a value with a length: in the first byte, or after it in 1, 2 or 4 bytes (0: no such format). */
function head(
  length: number,
  fix: readonly [base: number, max: number] | null,
  formats: readonly [number, number, number],
): Uint8Array {
  if (fix !== null && length <= fix[1]) return Uint8Array.of(fix[0] | length);
  if (length <= 0xff && formats[0] !== 0) return bigEndian(formats[0], length, 1);
  if (length <= 0xffff) return bigEndian(formats[1], length, 2);
  return bigEndian(formats[2], length, 4);
}

function bigEndian(format: number, value: number, size: number): Uint8Array {
  const bytes = [format];
  for (let i = size - 1; i >= 0; i--) bytes.push(Math.floor(value / 256 ** i) % 256);
  return Uint8Array.from(bytes);
}

function number(value: number): Uint8Array {
  if (Number.isInteger(value) && value >= 0) {
    if (value <= 0x7f) return Uint8Array.of(value);
    if (value <= 0xff) return bigEndian(0xcc, value, 1);
    if (value <= 0xffff) return bigEndian(0xcd, value, 2);
    if (value <= 0xffff_ffff) return bigEndian(0xce, value, 4);
    return bigEndian(0xcf, value, 8);
  }
  if (Number.isInteger(value) && value >= -32) return Uint8Array.of(0x100 + value);
  const bytes = Buffer.alloc(9);
  bytes[0] = Number.isSafeInteger(value) ? 0xd3 : 0xcb;
  if (Number.isSafeInteger(value)) bytes.writeBigInt64BE(BigInt(value), 1);
  else bytes.writeDoubleBE(value, 1);
  return bytes;
}
