import { Packr, Unpackr } from "msgpackr";

import type { Codec, RawFrame } from "./codec.ts";
import { badFrame } from "./errors.ts";
import type { Frame, FrameValue } from "./frame.ts";
import { MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS } from "./limits.ts";
import { frameEnd } from "./reader.ts";
import { copyBytes } from "./writer.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "number" });

/** msgpackr writes integers above 2^32 as doubles; as BigInt they leave as msgpack integers [P-3.4]. */
function wire(value: FrameValue): unknown {
  if (typeof value === "number") {
    return Number.isInteger(value) && Math.abs(value) > 0xffff_ffff ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map(wire);
  return value;
}

/** Encodes one frame to bytes of its own. */
export function encodeBinary(frame: Frame): Uint8Array {
  // msgpackr returns a view into a slab it goes on using; slice() gives the caller its own bytes.
  return Uint8Array.prototype.slice.call(packr.pack(frame.map(wire)));
}

/**
 * Decodes the frame that `frameEnd` found in [start, end). Only call it on bytes that passed that
 * guard: msgpackr by itself accepts extension types.
 */
export function decodeBinary(bytes: Uint8Array, start: number, end: number): RawFrame {
  try {
    // A copy, so that payload views outlive the caller's buffer and hold no more than the frame.
    // Not bytes.slice(): of a Buffer that would be a view.
    const copy = new Uint8Array(end - start);
    copyBytes(copy, 0, bytes, start, end);
    const value: unknown = unpackr.unpack(copy);
    if (Array.isArray(value)) return value;
  } catch (error) {
    throw badFrame(error instanceof Error ? error.message : "not msgpack");
  }
  throw badFrame("a frame must be an array");
}

/** The msgpack format, guarded for bytes from an untrusted peer. */
export class BinaryCodec implements Codec<Uint8Array> {
  readonly format = "msgpack";
  readonly #maxDepth: number;
  readonly #maxFields: number;

  constructor(maxDepth = MAX_COMMAND_DEPTH, maxFields = MAX_COMMAND_FIELDS) {
    this.#maxDepth = maxDepth;
    this.#maxFields = maxFields;
  }

  encode(frame: Frame): Uint8Array {
    return encodeBinary(frame);
  }

  join(frames: readonly Uint8Array[]): Uint8Array {
    const joined = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
    let at = 0;
    for (const frame of frames) {
      joined.set(frame, at);
      at += frame.length;
    }
    return joined;
  }

  decode(message: Uint8Array, visit: (frame: RawFrame) => void): void {
    if (message.length === 0) throw badFrame("an empty message");
    let at = 0;
    while (at < message.length) {
      const end = frameEnd(message, at, message.length, this.#maxDepth, this.#maxFields);
      visit(decodeBinary(message, at, end));
      at = end;
    }
  }
}
