import type { PublicationView } from "../protocol/messages/publication.ts";
import type { ServerFrame } from "../protocol/push.ts";
import { MsgpackDecoder } from "./msgpack-decoder.ts";
import { readServerFrame } from "./server-frame.ts";

export interface IncomingHandlers {
  /** A publication without meta; its payload is a range of the message. */
  onPublication(
    channelId: number,
    offset: number,
    message: Uint8Array,
    start: number,
    end: number,
  ): void;
  onFrame(frame: ServerFrame): void;
  /** False once what the message came on has been given up: the rest of it is of no interest. */
  isCurrent(): boolean;
}

/** Takes the broker's messages apart: publications by hand, everything else through the general decoder. */
export class Incoming {
  readonly #handlers: IncomingHandlers;
  readonly #decoder = new MsgpackDecoder();
  readonly #view: PublicationView = { channelId: 0, offset: 0, payloadStart: 0, payloadEnd: 0 };

  constructor(handlers: IncomingHandlers) {
    this.#handlers = handlers;
  }

  /** @throws Error when the bytes are not frames of this protocol; the frames before have been handled */
  read(message: Uint8Array): void {
    const handlers = this.#handlers;
    const decoder = this.#decoder;
    const view = this.#view;
    const { length } = message;
    if (length === 0) throw new TypeError("an empty message");
    let at = 0;
    while (at < length && handlers.isCurrent()) {
      if (decoder.publicationAt(message, at, view)) {
        at = decoder.end;
        const { channelId, offset, payloadStart, payloadEnd } = view;
        handlers.onPublication(channelId, offset, message, payloadStart, payloadEnd);
        continue;
      }
      const frame = readServerFrame(decoder.decodeAt(message, at));
      at = decoder.end;
      if (frame !== null) handlers.onFrame(frame);
    }
  }
}
