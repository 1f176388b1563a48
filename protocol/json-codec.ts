import type { Codec, RawFrame } from "./codec.ts";
import { badFrame } from "./errors.ts";
import type { Frame, FrameValue } from "./frame.ts";
import { MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS } from "./limits.ts";

// A byte order mark is part of the payload: a decoder that swallowed it would change the bytes.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A payload as JSON: its text when it is UTF-8, else `{"b64": "..."}` [P-3.5]. */
export function jsonPayload(bytes: Uint8Array): string | { b64: string } {
  try {
    return utf8.decode(bytes);
  } catch {
    return { b64: bytes.toBase64() };
  }
}

function jsonValue(value: FrameValue): unknown {
  if (value instanceof Uint8Array) return jsonPayload(value);
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [key, jsonValue(item)]));
  }
  if (Array.isArray(value)) return value.map(jsonValue);
  return value;
}

/**
 * Turns objects into maps and checks the depth on the way. A payload's `{"b64": "..."}` stays a map until
 * `bytesField` reads it: only the field says whether it is one, as a header may have that name too.
 */
function fromJson(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth <= 0) throw badFrame("the frame is nested too deep");
  if (Array.isArray(value)) return value.map((item) => fromJson(item, depth - 1));
  return new Map(Object.entries(value).map(([key, item]) => [key, fromJson(item, depth - 1)]));
}

/** The text format: the same frames as JSON arrays, one a line. */
export class JsonCodec implements Codec<string> {
  readonly format = "json";
  readonly #maxDepth: number;
  readonly #maxFields: number;

  constructor(maxDepth = MAX_COMMAND_DEPTH, maxFields = MAX_COMMAND_FIELDS) {
    this.#maxDepth = maxDepth;
    this.#maxFields = maxFields;
  }

  encode(frame: Frame): string {
    return JSON.stringify(frame.map(jsonValue));
  }

  join(frames: readonly string[]): string {
    return frames.join("\n");
  }

  decode(message: string, visit: (frame: RawFrame) => void): void {
    for (const line of message.split("\n")) visit(this.#frame(line));
  }

  #frame(line: string): RawFrame {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw badFrame("not JSON");
    }
    if (!Array.isArray(value) || value.length === 0)
      throw badFrame("a frame must be an array with an op");
    if (value.length > this.#maxFields)
      throw badFrame(`a frame may have at most ${this.#maxFields} fields`);
    return value.map((item) => fromJson(item, this.#maxDepth - 1));
  }
}
