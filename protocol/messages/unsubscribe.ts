import type { RawFrame } from "../codec.ts";
import { stringField, uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { MAX_CHANNEL_BYTES, MAX_REQUEST_ID } from "../limits.ts";
import { Op } from "../op.ts";

/** [3, id, channel]  end a subscription, named as it was made; result nil [P-6.3] */
export interface UnsubscribeCommand {
  readonly type: "unsubscribe";
  readonly id: number;
  readonly channel: string;
}

export function encodeUnsubscribe(command: Omit<UnsubscribeCommand, "type">): Frame {
  return [Op.unsubscribe, command.id, command.channel];
}

export function decodeUnsubscribe(frame: RawFrame): UnsubscribeCommand {
  return {
    type: "unsubscribe",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    channel: stringField(frame[2], "channel", MAX_CHANNEL_BYTES),
  };
}

/** [39, channel, code, name, message]  the broker ended a subscription [P-7.6] */
export interface UnsubscribedPush {
  readonly type: "unsubscribed";
  readonly channel: string;
  readonly code: number;
  readonly name: string;
  readonly message: string;
}

export function encodeUnsubscribed(push: Omit<UnsubscribedPush, "type">): Frame {
  return [Op.unsubscribed, push.channel, push.code, push.name, push.message];
}

export function decodeUnsubscribed(frame: RawFrame): UnsubscribedPush {
  return {
    type: "unsubscribed",
    channel: stringField(frame[1], "channel", MAX_CHANNEL_BYTES),
    code: uintField(frame[2], "code", 0xffff),
    name: stringField(frame[3], "name", 64),
    message: stringField(frame[4], "message", 1024),
  };
}
