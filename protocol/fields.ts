import { badField } from "./errors.ts";

/** Typed reads of one decoded field. Each throws `bad_field` naming the field, never a TypeError. */

const utf8 = new TextEncoder();

/** An integer in [0, max]; msgpack may have carried it as any integer format or an integral float. */
export function uintField(value: unknown, name: string, max = Number.MAX_SAFE_INTEGER): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0 || number > max) {
    throw badField(`${name} must be an integer from 0 to ${max}`);
  }
  return number;
}

/** Any number, also one that is none or has no end; msgpack may have carried it in any numeric format. */
export function numberField(value: unknown, name: string): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number") throw badField(`${name} must be a number`);
  return number;
}

/** A string of at most `maxBytes` UTF-8 bytes. */
export function stringField(value: unknown, name: string, maxBytes: number): string {
  if (typeof value !== "string") throw badField(`${name} must be a string`);
  // A UTF-16 unit is at most 3 bytes of UTF-8, so most strings pass without being encoded.
  if (value.length * 3 > maxBytes && utf8.encode(value).length > maxBytes) {
    throw badField(`${name} is longer than ${maxBytes} bytes`);
  }
  return value;
}

export function optionalStringField(value: unknown, name: string, maxBytes: number): string | null {
  return value === null || value === undefined ? null : stringField(value, name, maxBytes);
}

export function booleanField(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw badField(`${name} must be a boolean`);
  return value;
}

/** Payload bytes. A string stands for its UTF-8 bytes, a map `{"b64": "..."}` for what it encodes [P-3.5]. */
export function bytesField(value: unknown, name: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return utf8.encode(value);
  if (value instanceof Map && value.size === 1) {
    const bytes = base64Bytes(value.get("b64"));
    if (bytes !== null) return bytes;
  }
  throw badField(`${name} must be binary, a string or {"b64": base64}`);
}

function base64Bytes(value: unknown): Uint8Array | null {
  if (typeof value !== "string") return null;
  try {
    return Uint8Array.fromBase64(value);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export function arrayField(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw badField(`${name} must be an array`);
  return value;
}

/** Entries of a map, from msgpack (`Map`) or JSON (plain object). */
export function mapField(value: unknown, name: string): [string, unknown][] {
  if (value instanceof Map) return [...value.entries()].map(([k, v]) => [String(k), v]);
  if (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  ) {
    return Object.entries(value);
  }
  throw badField(`${name} must be a map`);
}
