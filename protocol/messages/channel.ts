import type { RawFrame } from "../codec.ts";
import { stringField, uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { MAX_CHANNEL_BYTES, MAX_EPOCH_BYTES } from "../limits.ts";
import { Op } from "../op.ts";

/** [37, channelId, name, epoch, offset]  announces a channel to a session subscribed by pattern [P-6.11] */
export interface ChannelPush {
  readonly type: "channel";
  readonly channelId: number;
  readonly name: string;
  readonly epoch: string;
  /** The first publication delivered here has the next offset. */
  readonly offset: number;
}

export function encodeChannel(push: Omit<ChannelPush, "type">): Frame {
  return [Op.channel, push.channelId, push.name, push.epoch, push.offset];
}

export function decodeChannel(frame: RawFrame): ChannelPush {
  return {
    type: "channel",
    channelId: uintField(frame[1], "channelId"),
    name: stringField(frame[2], "name", MAX_CHANNEL_BYTES),
    epoch: stringField(frame[3], "epoch", MAX_EPOCH_BYTES),
    offset: uintField(frame[4], "offset"),
  };
}
