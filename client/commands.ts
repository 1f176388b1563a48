import type { Frame } from "../protocol/frame.ts";
import { encodeHistory } from "../protocol/messages/history.ts";
import type { HistoryResult } from "../protocol/messages/history.ts";
import { encodePing } from "../protocol/messages/ping.ts";
import type { PongReply } from "../protocol/messages/ping.ts";
import { encodePresence } from "../protocol/messages/presence.ts";
import type { PresenceMember } from "../protocol/messages/presence.ts";
import { encodeRefresh } from "../protocol/messages/refresh.ts";
import { encodeSubscribe } from "../protocol/messages/subscribe.ts";
import type { RecoverFrom, SubscribedResult } from "../protocol/messages/subscribe.ts";
import { encodeUnsubscribe } from "../protocol/messages/unsubscribe.ts";
import type { StreamPosition } from "../protocol/position.ts";
import { badServerFrame } from "./errors.ts";
import type { TickwireError } from "./errors.ts";
import { fields, list } from "./layout.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Delivery } from "./publication.ts";
import type { Requests } from "./requests.ts";
import { encodeFrame } from "./value-codec.ts";

/** What a history command gives [P-6.5]. */
export interface HistoryPage extends Omit<HistoryResult, "publications"> {
  readonly publications: readonly Delivery[];
}

/** Who gets the checked result. Called while the answer's message is read, so before what follows it there. */
export interface ResultHandler<T> {
  onResult(result: T): void;
  /** Also when the result is not what the command gives: `bad_frame`. */
  onError(error: TickwireError): void;
}

/** For commands whose outcome changes nothing. */
export const IGNORED: ResultHandler<unknown> = { onResult: () => {}, onError: () => {} };

/** Sends every command but publish on the connection there is, and checks what comes back. */
export class Commands {
  readonly #requests: Requests;
  readonly #outgoing: Outgoing;

  constructor(requests: Requests, outgoing: Outgoing) {
    this.#requests = requests;
    this.#outgoing = outgoing;
  }

  subscribe(
    command: { channel: string; recover: RecoverFrom; flags: number },
    handler: ResultHandler<SubscribedResult>,
  ): void {
    this.#send(
      (id) => encodeSubscribe({ id, ...command }),
      (reply) =>
        fields("channelId:u epoch:s offset:u recovered:o count:u", reply) as SubscribedResult,
      handler,
    );
  }

  unsubscribe(channel: string): void {
    // The broker has nothing to say here that would change what the client does.
    this.#send(
      (id) => encodeUnsubscribe({ id, channel }),
      () => null,
      IGNORED,
    );
  }

  history(
    command: { channel: string; limit: number; since: StreamPosition | null },
    handler: ResultHandler<HistoryPage>,
  ): void {
    const { channel } = command;
    const decode = (reply: unknown): HistoryPage => {
      const table = "epoch:s offset:u complete:o publications:p";
      const result = fields(table, reply) as HistoryResult;
      const publications = result.publications.map(({ offset, payload, meta }) => {
        const range = { source: payload, start: 0, end: payload.length };
        return { channel, offset, epoch: result.epoch, meta, ...range };
      });
      return { ...result, publications };
    };
    this.#send((id) => encodeHistory({ id, ...command }), decode, handler);
  }

  presence(channel: string, handler: ResultHandler<PresenceMember[]>): void {
    this.#send(
      (id) => encodePresence({ id, channel }),
      (reply) => list("connection:s user:S", reply) as PresenceMember[],
      handler,
    );
  }

  refresh(token: string, handler: ResultHandler<number>): void {
    this.#send(
      (id) => encodeRefresh({ id, token }),
      (reply) => (fields("expiresInMs:u", reply) as { expiresInMs: number }).expiresInMs,
      handler,
    );
  }

  /** @param clientTimeMs wall clock, ms since 1970 */
  ping(clientTimeMs: number, handler: ResultHandler<PongReply>): void {
    this.#send((id) => encodePing({ id, clientTimeMs }), pongReply, handler);
  }

  #send<T>(
    encode: (id: number) => Frame,
    decode: (reply: unknown) => T,
    handler: ResultHandler<T>,
  ): void {
    const id = this.#requests.open({
      onReply: (reply) => {
        let result: T;
        try {
          result = decode(reply);
        } catch (error) {
          handler.onError(badServerFrame(error));
          return;
        }
        handler.onResult(result);
      },
      onError: (error) => handler.onError(error),
    });
    this.#outgoing.frame(encodeFrame(encode(id)));
  }
}

/** A pong frame has been read as such; the ok of a mistaken broker has not. */
function pongReply(reply: unknown): PongReply {
  const pong = reply as PongReply | null;
  if (typeof pong?.serverTimeMs !== "number") throw new TypeError("a pong is due");
  return pong;
}
