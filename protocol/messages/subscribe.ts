import type { RawFrame } from "../codec.ts";
import { badField } from "../errors.ts";
import { arrayField, booleanField, stringField, uintField } from "../fields.ts";
import type { Frame, FrameValue } from "../frame.ts";
import {
  MAX_CHANNEL_BYTES,
  MAX_EPOCH_BYTES,
  MAX_HISTORY_LIMIT,
  MAX_REQUEST_ID,
} from "../limits.ts";
import { Op } from "../op.ts";
import type { StreamPosition } from "../position.ts";

/** Bits of the flags field of subscribe [P-6.2]. */
export const SubscribeFlag = {
  /** Enter the channel's presence while subscribed. */
  presence: 1,
  /** Receive join and leave pushes of the channel. */
  joinLeave: 2,
} as const;

/** What to deliver before live publications: nothing, the newest n, or all after a position. */
export type RecoverFrom =
  | { readonly type: "none" }
  | { readonly type: "last"; readonly count: number }
  | { readonly type: "position"; readonly position: StreamPosition };

/**
 * [2, id, channel, recover, flags]  subscribe to a channel or pattern [P-6.2]
 *   recover = nil | n (the newest n) | [epoch, offset] (all after it); may be left out, and so may flags
 */
export interface SubscribeCommand {
  readonly type: "subscribe";
  readonly id: number;
  /** A channel name or a pattern. */
  readonly channel: string;
  readonly recover: RecoverFrom;
  /** `SubscribeFlag` bits. */
  readonly flags: number;
}

export function encodeSubscribe(command: Omit<SubscribeCommand, "type">): Frame {
  return [Op.subscribe, command.id, command.channel, recoverValue(command.recover), command.flags];
}

function recoverValue(recover: RecoverFrom): FrameValue {
  switch (recover.type) {
    case "none":
      return null;
    case "last":
      return recover.count;
    case "position":
      return [recover.position.epoch, recover.position.offset];
  }
}

export function decodeSubscribe(frame: RawFrame): SubscribeCommand {
  return {
    type: "subscribe",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    channel: stringField(frame[2], "channel", MAX_CHANNEL_BYTES),
    recover: recoverField(frame[3]),
    flags: frame[4] === undefined || frame[4] === null ? 0 : uintField(frame[4], "flags", 0xff),
  };
}

function recoverField(value: unknown): RecoverFrom {
  if (value === null || value === undefined) return { type: "none" };
  if (typeof value === "number") {
    return { type: "last", count: uintField(value, "recover", MAX_HISTORY_LIMIT) };
  }
  return { type: "position", position: positionField(value, "recover") };
}

/** [epoch, offset] */
export function positionField(value: unknown, name: string): StreamPosition {
  const pair = arrayField(value, name);
  if (pair.length < 2) throw badField(`${name} must be [epoch, offset]`);
  return {
    epoch: stringField(pair[0], `${name} epoch`, MAX_EPOCH_BYTES),
    offset: uintField(pair[1], `${name} offset`),
  };
}

/**
 * Result of subscribe: [channelId, epoch, offset, recovered, count]  [P-6.2]
 * For a pattern the id is 0 and the epoch empty: channels are announced one by one [P-6.11].
 */
export interface SubscribedResult {
  /** The number publications of this channel carry on this connection; 0 for a pattern. */
  readonly channelId: number;
  readonly epoch: string;
  /** Live publications follow this offset once `count` recovered ones have been delivered. */
  readonly offset: number;
  /** True when everything after the position asked for is delivered; false when something may be missing. */
  readonly recovered: boolean;
  /** Publications that follow from history, before live ones. */
  readonly count: number;
}

export function subscribedResult(result: SubscribedResult): FrameValue {
  return [result.channelId, result.epoch, result.offset, result.recovered, result.count];
}

export function decodeSubscribedResult(value: unknown): SubscribedResult {
  const fields = arrayField(value, "result");
  return {
    channelId: uintField(fields[0], "channelId"),
    epoch: stringField(fields[1], "epoch", MAX_EPOCH_BYTES),
    offset: uintField(fields[2], "offset"),
    recovered: booleanField(fields[3], "recovered"),
    count: uintField(fields[4], "count"),
  };
}
