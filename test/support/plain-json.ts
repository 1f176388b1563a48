import { isUtf8 } from "node:buffer";

import type { PlainValue } from "./plain-msgpack.ts";

/** How a value of a frame looks in JSON. */
export type JsonForm = null | boolean | number | string | JsonForm[] | { [key: string]: JsonForm };

/**
 * The JSON form of a decoded frame. With `bytes: "base64"` every binary is `{"b64"}`, as in the `frame` of
 * the golden vectors; with `bytes: "wire"` it is text where it can be, as on the wire.
 */
export function jsonForm(value: PlainValue, bytes: "base64" | "wire"): JsonForm {
  if (value instanceof Uint8Array) {
    const buffer = Buffer.from(value);
    if (bytes === "wire" && isUtf8(buffer)) return buffer.toString("utf8");
    return { b64: buffer.toString("base64") };
  }
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [key, jsonForm(item, bytes)]));
  }
  if (Array.isArray(value)) return value.map((item) => jsonForm(item, bytes));
  return value;
}
