import { TickwireError } from "./errors.ts";
import { MsgpackDecoder } from "./msgpack-decoder.ts";
import { MsgpackEncoder } from "./msgpack-encoder.ts";

/** What the named ways of reading a payload give. */
export interface DecodedBy {
  /** msgpack; the default. */
  readonly value: unknown;
  readonly json: unknown;
  readonly text: string;
  /** The payload as it came. */
  readonly bytes: Uint8Array;
}

export type Decode<T> = (bytes: Uint8Array) => T;
/** How to read payloads: a named way, or a function of the application. */
export type Decoding = keyof DecodedBy | Decode<unknown>;
export type Encode<T> = (value: T) => Uint8Array;
/** How to write values: msgpack (the default), a named way, or a function of the application. */
export type Encoding<T = never> = "value" | "json" | "text" | Encode<T>;

// Two, since a frame is made around a payload that may still lie in the other's buffer.
const encoder = new MsgpackEncoder();
const frameEncoder = new MsgpackEncoder();
const decoder = new MsgpackDecoder();
const utf8Encoder = new TextEncoder();
// A byte order mark is part of the text, not for the decoder to eat.
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const decoders: { readonly [Name in keyof DecodedBy]: Decode<DecodedBy[Name]> } = {
  value: (bytes) => decoder.decode(bytes),
  json: (bytes) => JSON.parse(utf8Decoder.decode(bytes)) as unknown,
  text: (bytes) => utf8Decoder.decode(bytes),
  bytes: (bytes) => bytes,
};

/** The function behind a `Decoding`. What it throws is wrapped where it is called. */
export function decodeWith(decoding: Decoding): Decode<unknown> {
  return typeof decoding === "function" ? decoding : decoders[decoding];
}

/**
 * Encodes a value for the wire. A Uint8Array passes as it is, unless the application encodes by a function
 * of its own. The result may be a view that the next call overwrites: copy it or send it before that.
 * @throws TickwireError `encode_failed`
 */
export function encodePayload(value: unknown, encoding: Encoding<unknown>): Uint8Array {
  try {
    if (value instanceof Uint8Array && typeof encoding !== "function") return value;
    if (encoding === "value") return encoder.encode(value);
    const bytes: unknown =
      typeof encoding === "function"
        ? encoding(value)
        : utf8Encoder.encode(encoding === "json" ? json(value) : String(value));
    if (bytes instanceof Uint8Array) return bytes;
    throw new TypeError("encode must give a Uint8Array");
  } catch (cause) {
    throw new TickwireError("encode_failed", String(cause), { cause });
  }
}

/** A control frame or one with meta, as bytes of its own. */
export function encodeFrame(frame: readonly unknown[]): Uint8Array<ArrayBuffer> {
  return frameEncoder.encode(frame).slice();
}

function json(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError("not JSON");
  return text;
}
