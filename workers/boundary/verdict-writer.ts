import { copyBytes, writeUint32 } from "../../protocol/writer.ts";
import {
  EMISSIONS_FLAG,
  FAIL_CAUSES,
  HEADERS_FLAG,
  MAX_ERROR_TEXT_BYTES,
  MAX_REASON_BYTES,
  VerdictType,
} from "./verdicts.ts";
import type { FailCause } from "./verdicts.ts";

/** Memory that one large batch took is given back with the next. */
const INITIAL_BYTES = 16 * 1024;
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

const utf8 = new TextEncoder();

/** An emission whose payload is a range of a larger buffer. */
export interface EmissionRange {
  readonly stage: number;
  readonly channel: string;
  readonly key: string | null;
  readonly start: number;
  readonly end: number;
}

/** Why a message failed. */
export interface Failure {
  readonly stage: number;
  readonly cause: FailCause;
  readonly name: string;
  readonly message: string;
  /** File and line, such as `redact.ts:12`; empty when it is not known. */
  readonly location: string;
}

/**
 * Writes the verdicts on a batch, as verdicts.ts lays them out. Messages come in order; those left out pass. For
 * each, first its type, then emissions, then headers. One instance is used again.
 */
export class VerdictWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #end = 0;

  begin(count: number): void {
    this.#end = 0;
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#bytes = new Uint8Array(INITIAL_BYTES);
    this.#room(4 + count);
    writeUint32(this.#bytes, 0, count);
    this.#bytes.fill(0, 4, 4 + count);
    this.#end = 4 + count;
  }

  replace(index: number, bytes: Uint8Array, start: number, end: number): void {
    this.#flag(index, VerdictType.replace);
    this.#payload(bytes, start, end);
  }

  drop(index: number, stage: number, reason: string): void {
    this.#flag(index, VerdictType.drop);
    this.#byte(stage);
    this.#text(reason, MAX_REASON_BYTES);
  }

  fail(index: number, failure: Failure): void {
    this.#flag(index, VerdictType.fail);
    this.#byte(failure.stage);
    this.#byte(FAIL_CAUSES.indexOf(failure.cause));
    this.#text(failure.name, MAX_ERROR_TEXT_BYTES);
    this.#text(failure.message, MAX_ERROR_TEXT_BYTES);
    this.#text(failure.location, MAX_ERROR_TEXT_BYTES);
  }

  /** @param bytes what the emissions are ranges of */
  emissions(index: number, emissions: readonly EmissionRange[], bytes: Uint8Array): void {
    this.#flag(index, EMISSIONS_FLAG);
    this.#uint16(emissions.length);
    for (const emission of emissions) {
      this.#byte(emission.stage);
      this.#text(emission.channel, 0xffff);
      this.#byte(emission.key === null ? 0 : 1);
      this.#text(emission.key ?? "", 0xffff);
      this.#payload(bytes, emission.start, emission.end);
    }
  }

  /** @param headers a msgpack map of strings */
  headers(index: number, headers: Uint8Array): void {
    this.#flag(index, HEADERS_FLAG);
    this.#uint16(headers.length);
    this.#room(headers.length);
    this.#end = copyBytes(this.#bytes, this.#end, headers, 0, headers.length);
  }

  /** The verdicts, in a buffer of their own size that may be transferred. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#end);
  }

  #flag(index: number, flag: number): void {
    this.#bytes[4 + index] = (this.#bytes[4 + index] as number) | flag;
  }

  #payload(bytes: Uint8Array, start: number, end: number): void {
    this.#room(4 + end - start);
    this.#end = writeUint32(this.#bytes, this.#end, end - start);
    this.#end = copyBytes(this.#bytes, this.#end, bytes, start, end);
  }

  /** A text that is too long is cut, never inside of a character. */
  #text(text: string, maxBytes: number): void {
    const cut = text.length > maxBytes ? text.slice(0, maxBytes) : text;
    this.#room(2 + Math.min(maxBytes, cut.length * 3));
    const from = this.#end + 2;
    const room = Math.min(maxBytes, this.#bytes.length - from);
    const { written } = utf8.encodeInto(cut, this.#bytes.subarray(from, from + room));
    this.#uint16(written);
    this.#end += written;
  }

  #byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#end++] = value;
  }

  #uint16(value: number): void {
    this.#room(2);
    this.#bytes[this.#end++] = value >>> 8;
    this.#bytes[this.#end++] = value;
  }

  #room(size: number): void {
    const needed = this.#end + size;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}
