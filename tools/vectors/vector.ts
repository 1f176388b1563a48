import { encodeBinary } from "../../protocol/binary-codec.ts";
import type { Frame, FrameValue } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";

export type Direction = "to-broker" | "to-client";

/** A frame to be written down, with the bytes of the hand codec where that is what goes out. */
export interface VectorSource {
  readonly name: string;
  readonly clause: string;
  readonly frame: Frame;
  readonly bytes?: Uint8Array;
}

/** One golden frame. In `frame` every binary is `{"b64"}`; `hex` and `json` are what is on the wire. */
export interface Vector {
  readonly name: string;
  readonly clause: string;
  readonly direction: Direction;
  readonly frame: unknown;
  readonly hex: string;
  readonly json: string;
}

const json = new JsonCodec();

export function toVector(source: VectorSource, direction: Direction): Vector {
  const { name, clause, frame } = source;
  return {
    name,
    clause,
    direction,
    frame: frame.map(plainForm),
    hex: (source.bytes ?? encodeBinary(frame)).toHex(),
    json: json.encode(frame),
  };
}

/** A value as JSON, with binaries told from strings. */
export function plainForm(value: FrameValue): unknown {
  if (value instanceof Uint8Array) return { b64: value.toBase64() };
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [key, plainForm(item)]));
  }
  return Array.isArray(value) ? value.map(plainForm) : value;
}

const utf8 = new TextEncoder();

export function text(value: string): Uint8Array {
  return utf8.encode(value);
}

/** Bytes that are not UTF-8 at their very start, so that JSON carries them as base64. */
export function binary(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (0xff - i) & 0xff);
}
