import { decodeBinary } from "../../protocol/binary-codec.ts";
import { MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import { readPublication } from "../../protocol/messages/publication.ts";
import type { PublicationView } from "../../protocol/messages/publication.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import { frameEnd, FrameReader } from "../../protocol/reader.ts";
import type { ConnectionUser } from "./connection.ts";

/** Fields a broker's frame may have before it is taken for garbage. */
const MAX_PUSH_FIELDS = 64;

export interface PublicationUser {
  /** A publication whose payload is `bytes[start, end)`. */
  deliver(bytes: Uint8Array, start: number, end: number, offset: number): void;
  readEnded(): void;
  failed(error: Error): void;
}

/** Reads a broker's messages: publications by hand, everything else the general way. */
export class TickwireReader implements ConnectionUser {
  readonly #user: PublicationUser;
  readonly #reader = new FrameReader();
  readonly #view: PublicationView = { channelId: 0, offset: 0, payloadStart: 0, payloadEnd: 0 };
  #reply: PromiseWithResolvers<unknown> | null = null;

  constructor(user: PublicationUser) {
    this.#user = user;
  }

  /** The result of the next reply; rejects when it is an error. */
  nextReply(): Promise<unknown> {
    this.#reply = Promise.withResolvers();
    return this.#reply.promise;
  }

  message(bytes: Uint8Array, start: number, end: number): void {
    const reader = this.#reader;
    const view = this.#view;
    reader.reset(bytes, start, end);
    while (reader.pos < end) {
      const at = reader.pos;
      if (readPublication(reader, view)) {
        this.#user.deliver(bytes, view.payloadStart, view.payloadEnd, view.offset);
      } else {
        reader.pos = frameEnd(bytes, at, end, MAX_PUSH_DEPTH, MAX_PUSH_FIELDS);
        this.#other(bytes, at, reader.pos);
      }
    }
  }

  readEnded(): void {
    this.#user.readEnded();
  }

  failed(error: Error): void {
    if (!this.#settle(error)) this.#user.failed(error);
  }

  #other(bytes: Uint8Array, start: number, end: number): void {
    const frame = decodeServerFrame(decodeBinary(bytes, start, end));
    switch (frame?.type) {
      case "connected":
        this.#settle(frame);
        break;
      case "ok":
        this.#settle(frame.result);
        break;
      case "error":
        this.failed(new Error(`the broker answered ${frame.code} ${frame.name}: ${frame.message}`));
        break;
      case "publication":
        this.#user.deliver(frame.payload, 0, frame.payload.length, frame.offset);
        break;
      case "gap":
      case "unsubscribed":
      case "drain":
        this.failed(new Error(`the broker sent ${frame.type}: ${JSON.stringify(frame)}`));
        break;
      default:
      // Announcements, presence and pongs do not concern the load.
    }
  }

  /** Ends the wait for a reply; false when nobody waits. */
  #settle(outcome: unknown): boolean {
    const reply = this.#reply;
    this.#reply = null;
    if (outcome instanceof Error) reply?.reject(outcome);
    else reply?.resolve(outcome);
    return reply !== null;
  }
}
