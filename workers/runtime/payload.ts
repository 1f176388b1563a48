import { Packr, Unpackr } from "msgpackr";

import { copyBytes } from "../../protocol/writer.ts";
import type { Payload } from "../sdk/transform.ts";
import { checkMsgpack } from "./msgpack-guard.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
/**
 * 64-bit integers are numbers where a number holds them and bigints beyond; the library's types do not know that
 * way. Buffers are copied: the bytes they lie in are used again for the next batch.
 */
const unpackr = new Unpackr({
  useRecords: false,
  int64AsType: "auto" as "number",
  copyBuffers: true,
});

const INITIAL_BYTES = 64 * 1024;
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

interface NativeText {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
  utf8Write(this: Uint8Array, text: string, start: number, length: number): number;
}

/** Buffer's own ways between text and bytes need no view of the range. */
const native = Buffer.prototype as unknown as NativeText;

export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return native.utf8Slice.call(bytes, start, end);
}

/** @throws SyntaxError */
export function jsonOf(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(textOf(bytes, start, end));
  } catch (error) {
    if (end > start && (bytes[start] as number) >= 0x80) throw notJson(error);
    throw error;
  }
}

/** What `tickwire/client` publishes is msgpack unless it is told otherwise, and the parser's words do not hint at it. */
function notJson(cause: unknown): SyntaxError {
  return new SyntaxError("the payload is no JSON; decode() reads msgpack too", { cause });
}

/**
 * Decodes msgpack; or JSON, when the first byte cannot begin msgpack of more than that byte (all of JSON begins
 * below 0x80, where msgpack has its one-byte numbers).
 * @throws SyntaxError
 */
export function decodePayload(bytes: Uint8Array, start: number, end: number): unknown {
  if (end - start > 1 && (bytes[start] as number) < 0x80) return jsonOf(bytes, start, end);
  checkMsgpack(bytes, start, end);
  return unpackr.unpack(bytes, { start, end });
}

/** A value as msgpack, in bytes of its own. */
export function msgpackOf(value: unknown): Uint8Array {
  return Uint8Array.prototype.slice.call(packr.pack(value));
}

/** Payloads that transforms hand out, one behind the other in memory that is used again for the next batch. */
export class PayloadArena {
  bytes = new Uint8Array(INITIAL_BYTES);
  /** Range of the last one written. */
  start = 0;
  end = 0;

  /** Begins anew; memory that one large batch took is given back. */
  reset(): void {
    this.start = 0;
    this.end = 0;
    if (this.bytes.length > MAX_KEPT_BYTES) this.bytes = new Uint8Array(INITIAL_BYTES);
  }

  /**
   * @throws TypeError for what is no payload
   * @throws RangeError over `maxBytes`
   */
  write(payload: Payload, maxBytes: number): void {
    if (typeof payload === "string") this.#writeText(payload, maxBytes);
    else if (payload instanceof Uint8Array) this.#writeBytes(payload, maxBytes);
    else if (ArrayBuffer.isView(payload)) {
      const { buffer, byteOffset, byteLength } = payload;
      this.#writeBytes(new Uint8Array(buffer, byteOffset, byteLength), maxBytes);
    } else if (payload instanceof ArrayBuffer) this.#writeBytes(new Uint8Array(payload), maxBytes);
    else if (
      payload === undefined ||
      typeof payload === "function" ||
      typeof payload === "symbol"
    ) {
      throw new TypeError(`a payload cannot be ${typeof payload}`);
    } else this.#writeBytes(packr.pack(payload), maxBytes);
  }

  /**
   * @throws TypeError for what JSON has no text for
   * @throws RangeError over `maxBytes`
   */
  writeJson(value: unknown, maxBytes: number): void {
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined) throw new TypeError(`JSON has no text for ${typeof value}`);
    this.#writeText(json, maxBytes);
  }

  #writeBytes(payload: Uint8Array, maxBytes: number): void {
    checkSize(payload.length, maxBytes);
    this.#room(payload.length);
    this.start = this.end;
    this.end = copyBytes(this.bytes, this.end, payload, 0, payload.length);
  }

  #writeText(text: string, maxBytes: number): void {
    // A UTF-16 unit is at least 1 and at most 3 bytes of UTF-8.
    checkSize(text.length, maxBytes);
    this.#room(text.length * 3);
    const written = native.utf8Write.call(this.bytes, text, this.end, text.length * 3);
    checkSize(written, maxBytes);
    this.start = this.end;
    this.end += written;
  }

  #room(size: number): void {
    const needed = this.end + size;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.end));
    this.bytes = grown;
  }
}

function checkSize(size: number, maxBytes: number): void {
  if (size > maxBytes) {
    throw new RangeError(`a payload of ${size} bytes is over the bound of ${maxBytes}`);
  }
}
