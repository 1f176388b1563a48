import { isChannelName } from "../../protocol/channel-name.ts";
import {
  MAX_HEADER_NAME_BYTES,
  MAX_HEADER_VALUE_BYTES,
  MAX_HEADERS,
  MAX_META_STRING_BYTES,
} from "../../protocol/limits.ts";
import { VerdictType } from "../boundary/verdicts.ts";
import type { Payload, TransformMessage } from "../sdk/transform.ts";
import type { Batch } from "./batch.ts";
import { decodePayload, jsonOf, textOf } from "./payload.ts";

/** What a view asks of the stage it is in. */
export interface Turn {
  readonly batch: Batch;
  readonly stage: number;
  readonly maxPayloadBytes: number;
  readonly maxEmissions: number;
  /** Whether the message at this place may be given a verdict now; throws a clear error if not. */
  checkVerdict(index: number): void;
  /** Throws when `process` is done: the bytes belong to another batch then. */
  checkOpen(): void;
  mayEmit(channel: string): boolean;
}

/**
 * One message in one stage. Each has a view of its own, so that a view that was kept can never speak for another
 * message.
 */
export class MessageView implements TransformMessage {
  readonly index: number;
  readonly channel: string;
  readonly #turn: Turn;
  readonly #source: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #bytes: Uint8Array | null = null;

  constructor(turn: Turn, index: number) {
    const { batch } = turn;
    this.index = index;
    this.channel = batch.channel(index);
    this.#turn = turn;
    if (batch.types[index] === VerdictType.replace) {
      this.#source = batch.arena.bytes;
      this.#start = batch.starts[index] as number;
      this.#end = batch.ends[index] as number;
    } else {
      this.#source = batch.slab.bytes;
      this.#start = batch.slab.payloadStarts[index] as number;
      this.#end = batch.slab.payloadEnds[index] as number;
    }
  }

  /** Whether a message a plugin hands in is one of this turn's. */
  static isOf(turn: Turn, given: object): boolean {
    return #turn in given && given.#turn === turn;
  }

  get bytes(): Uint8Array {
    this.#turn.checkOpen();
    return (this.#bytes ??= this.#source.subarray(this.#start, this.#end));
  }

  get key(): string | null {
    return this.#turn.batch.meta(this.index)?.key ?? null;
  }

  get id(): string | null {
    return this.#turn.batch.meta(this.index)?.id ?? null;
  }

  get user(): string | null {
    return this.#turn.batch.meta(this.index)?.user ?? null;
  }

  header(name: string): string | null {
    const { batch } = this.#turn;
    const changed = batch.extrasOf(this.index)?.headers.findLast((header) => header.name === name);
    return changed?.value ?? batch.meta(this.index)?.headers?.get(name) ?? null;
  }

  text(): string {
    this.#turn.checkOpen();
    return textOf(this.#source, this.#start, this.#end);
  }

  json(): unknown {
    this.#turn.checkOpen();
    return jsonOf(this.#source, this.#start, this.#end);
  }

  decode(): unknown {
    this.#turn.checkOpen();
    return decodePayload(this.#source, this.#start, this.#end);
  }

  replace(payload: Payload): void {
    const turn = this.#turn;
    turn.checkVerdict(this.index);
    turn.batch.arena.write(payload, turn.maxPayloadBytes);
    turn.batch.replace(this.index);
  }

  replaceJson(value: unknown): void {
    const turn = this.#turn;
    turn.checkVerdict(this.index);
    turn.batch.arena.writeJson(value, turn.maxPayloadBytes);
    turn.batch.replace(this.index);
  }

  // What plugins hand in may be anything, whatever the types say.
  drop(reason: unknown = ""): void {
    this.#turn.checkVerdict(this.index);
    this.#turn.batch.drop(
      this.index,
      this.#turn.stage,
      typeof reason === "string" ? reason : Bun.inspect(reason),
    );
  }

  fail(error: unknown): void {
    this.#turn.checkVerdict(this.index);
    const { name, message } = errorText(error);
    this.#turn.batch.fail(this.index, {
      stage: this.#turn.stage,
      cause: "verdict",
      name,
      message,
      location: "",
    });
  }

  emit(channel: string, payload: Payload, options?: { readonly key?: string }): void {
    const turn = this.#turn;
    turn.checkVerdict(this.index);
    const key = options?.key ?? null;
    const { batch, stage } = turn;
    const { emissions } = batch.extras(this.index);
    const refusal = this.#emissionRefusal(channel, key, emissions);
    if (refusal !== null) throw new EmissionError(refusal);
    const { arena } = batch;
    arena.write(payload, turn.maxPayloadBytes);
    emissions.push({ stage, channel, key, start: arena.start, end: arena.end });
  }

  setHeader(name: string, value: string): void {
    const { batch, stage } = this.#turn;
    this.#turn.checkVerdict(this.index);
    if (!isText(name, MAX_HEADER_NAME_BYTES) || name === "") {
      throw new TypeError(`a header's name must be text of at most ${MAX_HEADER_NAME_BYTES} bytes`);
    }
    if (!isText(value, MAX_HEADER_VALUE_BYTES)) {
      throw new TypeError(
        `a header's value must be text of at most ${MAX_HEADER_VALUE_BYTES} bytes`,
      );
    }
    const { headers } = batch.extras(this.index);
    const names = new Set(batch.meta(this.index)?.headers?.keys());
    for (const header of headers) names.add(header.name);
    if (names.add(name).size > MAX_HEADERS) {
      throw new RangeError(`a publication may have at most ${MAX_HEADERS} headers`);
    }
    const own = headers.findIndex((header) => header.name === name && header.stage === stage);
    if (own !== -1) headers.splice(own, 1);
    headers.push({ stage, name, value });
  }

  #emissionRefusal(
    channel: string,
    key: string | null,
    emissions: readonly { readonly stage: number }[],
  ): string | null {
    const { stage, maxEmissions } = this.#turn;
    const own = emissions.filter((emission) => emission.stage === stage).length;
    if (own >= maxEmissions) return `over the bound of ${maxEmissions} emissions of one message`;
    if (typeof channel !== "string" || !isChannelName(channel)) {
      return `${JSON.stringify(channel) ?? typeof channel} is not a channel name`;
    }
    if (!this.#turn.mayEmit(channel)) return `the binding does not allow to emit to "${channel}"`;
    if (key !== null && !isText(key, MAX_META_STRING_BYTES)) {
      return `a key must be text of at most ${MAX_META_STRING_BYTES} bytes`;
    }
    return null;
  }
}

/** A transform tried to emit what its binding or its limits do not allow. */
export class EmissionError extends Error {
  override readonly name = "EmissionError";
}

function errorText(error: unknown): { readonly name: string; readonly message: string } {
  if (typeof error === "object" && error !== null) {
    const said = error as { readonly name?: unknown; readonly message?: unknown };
    return { name: text(said.name, "Error"), message: text(said.message, "") };
  }
  return { name: "Error", message: typeof error === "string" ? error : Bun.inspect(error) };
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function isText(value: unknown, maxBytes: number): value is string {
  return typeof value === "string" && Buffer.byteLength(value) <= maxBytes;
}
