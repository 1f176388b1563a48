import { Code } from "../../protocol/codes.ts";
import { BrokerError } from "../api.ts";
import type { Channel } from "../channels/channel.ts";
import type { PublishAck } from "../engine/engine.ts";
import type { PublishTrace } from "../tracing/publish-trace.ts";

/** Who published, and how much of theirs is in transforms now. */
export interface Publisher extends PublishAck {
  transformPending: number;
}

/** Hears when a publication is over and its publisher was told. */
export interface TicketHost {
  ended(ticket: Ticket): void;
}

/** The place of the publication itself; its emissions have those after it. */
export const MAIN_PLACE = 1;

export interface TicketParts {
  readonly host: TicketHost;
  readonly channel: Channel;
  readonly publisher: Publisher;
  /** The publisher's. */
  readonly requestId: number;
  readonly publicationId: string | null;
  /** Encoded, as submitted. */
  readonly meta: Uint8Array | null;
  /** What it is counted with. */
  readonly bytes: number;
  readonly payloadBytes?: number;
  /** Of a publication that is traced. */
  readonly trace?: PublishTrace | null;
}

/**
 * One publication on its way through transforms, until its publisher has been told what became of it: that is when
 * it and everything it made have their places. To the engine it is who waits for each of them.
 */
export class Ticket implements PublishAck {
  readonly channel: Channel;
  readonly publisher: Publisher;
  readonly publicationId: string | null;
  readonly meta: Uint8Array | null;
  readonly bytes: number;
  readonly payloadBytes: number;
  trace: PublishTrace | null;
  readonly #host: TicketHost;
  readonly #requestId: number;
  /** Places not yet known, and one for as long as there may be more. */
  #waiting = 1;
  #stored = 0;
  #offset = 0;
  #epoch = "";
  #error: BrokerError | null = null;
  #hasEnded = false;

  constructor(parts: TicketParts) {
    this.channel = parts.channel;
    this.publisher = parts.publisher;
    this.publicationId = parts.publicationId;
    this.meta = parts.meta;
    this.bytes = parts.bytes;
    this.payloadBytes = parts.payloadBytes ?? 0;
    this.trace = parts.trace ?? null;
    this.#host = parts.host;
    this.#requestId = parts.requestId;
  }

  /** Whether something it waits for could not be stored. */
  get hasFailed(): boolean {
    return this.#error !== null;
  }

  /** One more place is asked for. */
  expect(): void {
    this.#waiting++;
  }

  /** Everything has been asked for. */
  seal(): void {
    this.#arrived();
  }

  published(place: number, offset: number, epoch: string): void {
    this.#stored++;
    if (place === MAIN_PLACE) {
      this.#offset = offset;
      this.#epoch = epoch;
    }
    this.#arrived();
  }

  publishFailed(_place: number, error: BrokerError): void {
    this.#error ??= error;
    this.#arrived();
  }

  #arrived(): void {
    if (--this.#waiting > 0 || this.#hasEnded) return;
    if (this.#error === null) {
      this.#end();
      this.publisher.published(this.#requestId, this.#offset, this.#epoch);
    } else this.fail(this.#stored === 0 ? this.#error : partly(this.#error));
  }

  /** It is over: nothing of it is stored, or not all of it. */
  fail(error: BrokerError): void {
    if (this.#hasEnded) return;
    this.#end();
    this.publisher.publishFailed(this.#requestId, error);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#host.ended(this);
  }
}

/** With a publication id, publishing again stores what is missing, and nothing twice. */
function partly(cause: BrokerError): BrokerError {
  const message = `a part of what this publication made could not be stored: ${cause.message}`;
  return new BrokerError(Code.publishUnknown, message, { cause });
}
