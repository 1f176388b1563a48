import type { RawFrame } from "./codec.ts";
import { badFrame } from "./errors.ts";
import { decodeChannel } from "./messages/channel.ts";
import type { ChannelPush } from "./messages/channel.ts";
import { decodeConnected } from "./messages/connected.ts";
import type { ConnectedReply } from "./messages/connected.ts";
import { decodeDrain } from "./messages/drain.ts";
import type { DrainPush } from "./messages/drain.ts";
import { decodeGap } from "./messages/gap.ts";
import type { GapPush } from "./messages/gap.ts";
import { decodeNotice } from "./messages/notice.ts";
import type { NoticePush } from "./messages/notice.ts";
import { decodePong } from "./messages/ping.ts";
import type { PongReply } from "./messages/ping.ts";
import { decodePresencePush } from "./messages/presence.ts";
import type { PresencePush } from "./messages/presence.ts";
import { decodePublication } from "./messages/publication.ts";
import type { PublicationPush } from "./messages/publication.ts";
import { decodeTokenExpiring } from "./messages/refresh.ts";
import type { TokenExpiringPush } from "./messages/refresh.ts";
import { decodeError, decodeOk } from "./messages/reply.ts";
import type { ErrorReply, OkReply } from "./messages/reply.ts";
import { decodeUnsubscribed } from "./messages/unsubscribe.ts";
import type { UnsubscribedPush } from "./messages/unsubscribe.ts";
import { Op } from "./op.ts";

/** Everything a broker may send: replies to a request id, and pushes. */
export type ServerFrame =
  | ConnectedReply
  | OkReply
  | ErrorReply
  | PongReply
  | PublicationPush
  | ChannelPush
  | GapPush
  | UnsubscribedPush
  | PresencePush
  | DrainPush
  | TokenExpiringPush
  | NoticePush;

/** Checks a broker's frame; null for an op this version does not know, which a client skips [P-3.7]. */
export function decodeServerFrame(frame: RawFrame): ServerFrame | null {
  const op = frame[0];
  switch (op) {
    case Op.connected:
      return decodeConnected(frame);
    case Op.ok:
      return decodeOk(frame);
    case Op.error:
      return decodeError(frame);
    case Op.publication:
    case Op.publicationMeta:
      return decodePublication(frame);
    case Op.channel:
      return decodeChannel(frame);
    case Op.gap:
      return decodeGap(frame);
    case Op.unsubscribed:
      return decodeUnsubscribed(frame);
    case Op.join:
    case Op.leave:
      return decodePresencePush(frame);
    case Op.pong:
      return decodePong(frame);
    case Op.drain:
      return decodeDrain(frame);
    case Op.tokenExpiring:
      return decodeTokenExpiring(frame);
    case Op.notice:
      return decodeNotice(frame);
    default:
      if (typeof op !== "number") throw badFrame("the op must be an integer");
      return null;
  }
}
