import type { RawFrame } from "./codec.ts";
import { Code } from "./codes.ts";
import { badFrame, ProtocolError } from "./errors.ts";
import { decodeConnect } from "./messages/connect.ts";
import type { ConnectCommand } from "./messages/connect.ts";
import { decodeHistory } from "./messages/history.ts";
import type { HistoryCommand } from "./messages/history.ts";
import { decodePing } from "./messages/ping.ts";
import type { PingCommand } from "./messages/ping.ts";
import { decodePresence } from "./messages/presence.ts";
import type { PresenceCommand } from "./messages/presence.ts";
import { decodePublish } from "./messages/publish.ts";
import type { PublishCommand } from "./messages/publish.ts";
import { decodeReceipt } from "./messages/receipt.ts";
import type { ReceiptCommand } from "./messages/receipt.ts";
import { decodeRefresh } from "./messages/refresh.ts";
import type { RefreshCommand } from "./messages/refresh.ts";
import { decodeSubscribe } from "./messages/subscribe.ts";
import type { SubscribeCommand } from "./messages/subscribe.ts";
import { decodeUnsubscribe } from "./messages/unsubscribe.ts";
import type { UnsubscribeCommand } from "./messages/unsubscribe.ts";
import { Op, opName } from "./op.ts";

/** Everything a client may send. */
export type Command =
  | ConnectCommand
  | SubscribeCommand
  | UnsubscribeCommand
  | PublishCommand
  | PingCommand
  | HistoryCommand
  | PresenceCommand
  | RefreshCommand
  | ReceiptCommand;

/**
 * Checks a decoded frame's fields and names them.
 * @throws ProtocolError not fatal, with the request id when that could be read; fatal `bad_frame` when
 * even the op is not a number.
 */
export function decodeCommand(frame: RawFrame): Command {
  const op = frame[0];
  if (typeof op !== "number") throw badFrame("the op must be an integer");
  try {
    return decodeFields(op, frame);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(error.info, `${opName(op)}: ${error.message}`, {
      requestId: requestId(frame),
    });
  }
}

function decodeFields(op: number, frame: RawFrame): Command {
  switch (op) {
    case Op.connect:
      return decodeConnect(frame);
    case Op.subscribe:
      return decodeSubscribe(frame);
    case Op.unsubscribe:
      return decodeUnsubscribe(frame);
    case Op.publish:
    case Op.publishMeta:
      return decodePublish(frame);
    case Op.ping:
      return decodePing(frame);
    case Op.history:
      return decodeHistory(frame);
    case Op.presence:
      return decodePresence(frame);
    case Op.refresh:
      return decodeRefresh(frame);
    case Op.receipt:
      return decodeReceipt(frame);
    default:
      throw new ProtocolError(Code.unknownOp, Code.unknownOp.text);
  }
}

/** Field 1 of every command but receipt; 0 when it cannot be read [P-3.6]. */
function requestId(frame: RawFrame): number {
  if (frame[0] === Op.receipt) return 0;
  const id = frame[1];
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= 0xffff_ffff ? id : 0;
}
