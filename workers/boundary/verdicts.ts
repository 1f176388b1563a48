import { isChannelName } from "../../protocol/channel-name.ts";
import { MAX_CHANNEL_BYTES, MAX_META_STRING_BYTES } from "../../protocol/limits.ts";
import { isHeaders } from "./meta-headers.ts";

/**
 * The verdicts on a batch. Numbers are big-endian.
 *
 *   verdicts   count u32 | flags u8 * count | record of each message whose flags are not 0, in order
 *   flags      bits 0-1 type (pass, replace, drop, fail) | bit 2 emissions | bit 3 headers
 *   record     replace: payload                       where payload = size u32 | bytes
 *              drop:    stage u8 | reason             where text = size u16 | UTF-8
 *              fail:    stage u8 | cause u8 | name text | message text | location text
 *              emissions: count u16 | (stage u8 | channel text | hasKey u8 | key text | payload) * count
 *              headers: size u16 | msgpack map of strings
 *
 * A message that passes is one byte, and reading it allocates nothing.
 */
export const VerdictType = { pass: 0, replace: 1, drop: 2, fail: 3 } as const;
export type VerdictType = (typeof VerdictType)[keyof typeof VerdictType];

export const EMISSIONS_FLAG = 0x04;
export const HEADERS_FLAG = 0x08;

/** What made a message fail, in the order of its number on the wire. */
export const FAIL_CAUSES = ["verdict", "emission", "throw"] as const;
export type FailCause = (typeof FAIL_CAUSES)[number];

/** Bytes of a drop's reason, an error's name and its message; longer ones are cut. */
export const MAX_REASON_BYTES = 256;
export const MAX_ERROR_TEXT_BYTES = 2048;

export interface VerdictEmission {
  /** The stage that emitted it: its binding must allow the channel, which the host checks again. */
  readonly stage: number;
  readonly channel: string;
  readonly key: string | null;
  /** A view of the verdicts. */
  readonly bytes: Uint8Array;
}

export interface VerdictLimits {
  /** Stages of the pipeline. */
  readonly stages: number;
  readonly maxPayloadBytes: number;
  /** Emissions of one message, over all stages. */
  readonly maxEmissions: number;
}

/** The bytes are not the verdicts of this batch. */
export class VerdictError extends Error {
  override readonly name = "VerdictError";
}

const NO_EMISSIONS: readonly VerdictEmission[] = [];
const utf8Decoder = new TextDecoder();

/** Reads verdicts one after the other; one instance is used again. */
export class VerdictReader {
  /** The bytes that the ranges below lie in. */
  bytes: Uint8Array = new Uint8Array(0);
  type: VerdictType = VerdictType.pass;
  /** Of `replace`: the payload is `bytes[start, end)`. */
  start = 0;
  end = 0;
  /** Of `drop` and `fail`: the stage that gave it. */
  stage = 0;
  /** Of `drop`; empty for none. */
  reason = "";
  /** Of `fail`. */
  cause: FailCause = "verdict";
  errorName = "";
  errorMessage = "";
  /** File and line, such as `redact.ts:12`; empty when it is not known. */
  errorLocation = "";
  emissions: readonly VerdictEmission[] = NO_EMISSIONS;
  /** Other headers, for `withHeaders`; a view of the verdicts, null to leave them as they are. */
  headers: Uint8Array | null = null;

  #limits: VerdictLimits = { stages: 1, maxPayloadBytes: 0, maxEmissions: 0 };
  #count = 0;
  #index = 0;
  #at = 0;

  /**
   * Begins with the verdicts of a batch of `count` messages. All of it is checked here, so that a batch is settled
   * as a whole or not at all.
   * @throws VerdictError
   */
  open(bytes: Uint8Array, count: number, limits: VerdictLimits): void {
    this.bytes = bytes;
    this.#limits = limits;
    this.#count = count;
    this.#index = 0;
    this.#at = 0;
    if (this.#uint(4) !== count) throw new VerdictError(`not the verdicts of ${count} messages`);
    if (bytes.length < 4 + count) throw new VerdictError("the verdicts are cut short");
    this.#at = 4 + count;
    for (let i = 0; i < count; i++) {
      const flags = bytes[4 + i] as number;
      if (flags !== 0) this.#record(flags);
    }
    if (this.#at !== bytes.length)
      throw new VerdictError("bytes are left over behind the verdicts");
    this.#at = 4 + count;
  }

  /** Goes on to the next message's verdict; false behind the last one. */
  next(): boolean {
    if (this.#index >= this.#count) return false;
    const flags = this.bytes[4 + this.#index++] as number;
    if (flags === 0) {
      this.type = VerdictType.pass;
      this.emissions = NO_EMISSIONS;
      this.headers = null;
    } else this.#record(flags);
    return true;
  }

  #record(flags: number): void {
    if (flags > 0x0f) throw new VerdictError(`a verdict has the unknown flags ${flags}`);
    this.type = (flags & 3) as VerdictType;
    if (this.type === VerdictType.replace) this.#payload();
    else if (this.type === VerdictType.drop) {
      this.stage = this.#stage();
      this.reason = this.#text(MAX_REASON_BYTES);
    } else if (this.type === VerdictType.fail) this.#failure();
    this.emissions = (flags & EMISSIONS_FLAG) === 0 ? NO_EMISSIONS : this.#readEmissions();
    this.headers = (flags & HEADERS_FLAG) === 0 ? null : this.#readHeaders();
  }

  #payload(): void {
    const size = this.#uint(4);
    if (size > this.#limits.maxPayloadBytes) {
      throw new VerdictError(
        `a payload of ${size} bytes is over the bound of ${this.#limits.maxPayloadBytes}`,
      );
    }
    this.start = this.#range(size);
    this.end = this.#at;
  }

  #failure(): void {
    this.stage = this.#stage();
    const cause = FAIL_CAUSES[this.#uint(1)];
    if (cause === undefined) throw new VerdictError("a failure has an unknown cause");
    this.cause = cause;
    this.errorName = this.#text(MAX_ERROR_TEXT_BYTES);
    this.errorMessage = this.#text(MAX_ERROR_TEXT_BYTES);
    this.errorLocation = this.#text(MAX_ERROR_TEXT_BYTES);
  }

  #readEmissions(): VerdictEmission[] {
    const count = this.#uint(2);
    if (count > this.#limits.maxEmissions) {
      throw new VerdictError(
        `${count} emissions are over the bound of ${this.#limits.maxEmissions}`,
      );
    }
    const emissions: VerdictEmission[] = [];
    const { start, end } = this;
    for (let i = 0; i < count; i++) {
      const stage = this.#stage();
      const channel = this.#text(MAX_CHANNEL_BYTES);
      if (!isChannelName(channel)) throw new VerdictError("an emission has no valid channel");
      const hasKey = this.#uint(1) !== 0;
      const key = this.#text(MAX_META_STRING_BYTES);
      this.#payload();
      const bytes = this.bytes.subarray(this.start, this.end);
      emissions.push({ stage, channel, key: hasKey ? key : null, bytes });
    }
    this.start = start;
    this.end = end;
    return emissions;
  }

  #readHeaders(): Uint8Array {
    const start = this.#range(this.#uint(2));
    if (!isHeaders(this.bytes, start, this.#at)) {
      throw new VerdictError("headers are not a map of strings within bounds");
    }
    return this.bytes.subarray(start, this.#at);
  }

  #stage(): number {
    const stage = this.#uint(1);
    if (stage >= this.#limits.stages) throw new VerdictError(`there is no stage ${stage}`);
    return stage;
  }

  #text(maxBytes: number): string {
    const size = this.#uint(2);
    if (size > maxBytes) throw new VerdictError(`a text is longer than ${maxBytes} bytes`);
    if (size === 0) return "";
    const start = this.#range(size);
    return utf8Decoder.decode(this.bytes.subarray(start, this.#at));
  }

  #uint(size: number): number {
    const start = this.#range(size);
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (this.bytes[start + i] as number);
    return value;
  }

  /** Start of the next `size` bytes, which are passed over. */
  #range(size: number): number {
    const start = this.#at;
    if (start + size > this.bytes.length) throw new VerdictError("the verdicts are cut short");
    this.#at = start + size;
    return start;
  }
}
