import type { RawFrame } from "../codec.ts";
import { stringField, uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { Op } from "../op.ts";

/** [38, channelId, from, to, reason, count]  publications from..to will not be delivered [P-7.4] */
export interface GapPush {
  readonly type: "gap";
  readonly channelId: number;
  /** First and last offset left out. */
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  readonly count: number;
}

export function encodeGap(push: Omit<GapPush, "type">): Frame {
  return [Op.gap, push.channelId, push.from, push.to, push.reason, push.count];
}

export function decodeGap(frame: RawFrame): GapPush {
  return {
    type: "gap",
    channelId: uintField(frame[1], "channelId"),
    from: uintField(frame[2], "from"),
    to: uintField(frame[3], "to"),
    reason: stringField(frame[4], "reason", 64),
    count: uintField(frame[5], "count"),
  };
}
