import type { RawFrame } from "../codec.ts";
import { badField } from "../errors.ts";
import { optionalStringField, stringField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { MAX_CHANNEL_BYTES } from "../limits.ts";
import { Op } from "../op.ts";

export const NOTICE_STATES = ["degraded", "ok"] as const;

export type NoticeState = (typeof NOTICE_STATES)[number];

/** [45, channel | nil, state, message]  publications of a channel do not reach the node, or do again [P-7.9] */
export interface NoticePush {
  readonly type: "notice";
  /** As it was subscribed to; null for several. */
  readonly channel: string | null;
  readonly state: NoticeState;
  /** One sentence for a person. */
  readonly message: string;
}

export function encodeNotice(push: Omit<NoticePush, "type">): Frame {
  return [Op.notice, push.channel, push.state, push.message];
}

export function decodeNotice(frame: RawFrame): NoticePush {
  return {
    type: "notice",
    channel: optionalStringField(frame[1], "channel", MAX_CHANNEL_BYTES),
    state: stateField(frame[2]),
    message: stringField(frame[3], "message", 1024),
  };
}

function stateField(value: unknown): NoticeState {
  const state = NOTICE_STATES.find((one) => one === value);
  if (state === undefined) throw badField(`state must be one of ${NOTICE_STATES.join(", ")}`);
  return state;
}
