import type { CodeInfo } from "../../protocol/codes.ts";
import type { Command } from "../../protocol/command.ts";
import type { Frame, FrameValue } from "../../protocol/frame.ts";
import { encodeChannel } from "../../protocol/messages/channel.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import { encodeConnected } from "../../protocol/messages/connected.ts";
import { encodeDrain } from "../../protocol/messages/drain.ts";
import { encodeGap } from "../../protocol/messages/gap.ts";
import { encodeHistory } from "../../protocol/messages/history.ts";
import { encodeNotice } from "../../protocol/messages/notice.ts";
import { encodePing, encodePong } from "../../protocol/messages/ping.ts";
import { encodePresence, encodePresencePush } from "../../protocol/messages/presence.ts";
import { encodePublication } from "../../protocol/messages/publication.ts";
import { encodePublish } from "../../protocol/messages/publish.ts";
import { encodeReceipt } from "../../protocol/messages/receipt.ts";
import { encodeRefresh, encodeTokenExpiring } from "../../protocol/messages/refresh.ts";
import { encodeError, encodeOk } from "../../protocol/messages/reply.ts";
import { encodeSubscribe } from "../../protocol/messages/subscribe.ts";
import { encodeUnsubscribe, encodeUnsubscribed } from "../../protocol/messages/unsubscribe.ts";
import type { ServerFrame } from "../../protocol/push.ts";

/** The frame of any command. */
export function encodeCommand(command: Command): Frame {
  switch (command.type) {
    case "connect":
      return encodeConnect(command);
    case "subscribe":
      return encodeSubscribe(command);
    case "unsubscribe":
      return encodeUnsubscribe(command);
    case "publish":
      return encodePublish(command);
    case "ping":
      return encodePing(command);
    case "history":
      return encodeHistory(command);
    case "presence":
      return encodePresence(command);
    case "refresh":
      return encodeRefresh(command);
    case "receipt":
      return encodeReceipt(command);
  }
}

/** The frame of any reply or push. */
export function encodeServerFrame(frame: ServerFrame): Frame {
  switch (frame.type) {
    case "connected":
      return encodeConnected(frame);
    case "ok":
      return encodeOk(frame.id, frame.result as FrameValue);
    case "error": {
      const info: CodeInfo = { ...frame, text: "", use: "error", httpStatus: 400 };
      return encodeError(frame.id, info, frame.message, frame.retryAfterMs);
    }
    case "pong":
      return encodePong(frame);
    case "publication":
      return encodePublication(frame);
    case "channel":
      return encodeChannel(frame);
    case "gap":
      return encodeGap(frame);
    case "unsubscribed":
      return encodeUnsubscribed(frame);
    case "join":
    case "leave":
      return encodePresencePush(frame);
    case "drain":
      return encodeDrain(frame.windowMs);
    case "token-expiring":
      return encodeTokenExpiring(frame.expiresInMs);
    case "notice":
      return encodeNotice(frame);
  }
}
