import type { RawFrame } from "../codec.ts";
import { arrayField, bytesField, stringField, uintField } from "../fields.ts";
import type { Frame, FrameValue } from "../frame.ts";
import {
  MAX_CHANNEL_BYTES,
  MAX_EPOCH_BYTES,
  MAX_HISTORY_LIMIT,
  MAX_REQUEST_ID,
} from "../limits.ts";
import { Op } from "../op.ts";
import type { StreamPosition } from "../position.ts";
import { metaField, metaValue } from "./meta.ts";
import type { PublicationMeta } from "./meta.ts";
import { positionField } from "./subscribe.ts";

/** [7, id, channel, limit, since | nil]  read kept publications [P-6.5] */
export interface HistoryCommand {
  readonly type: "history";
  readonly id: number;
  readonly channel: string;
  /** Publications at most; 0 asks for the position alone. */
  readonly limit: number;
  /** Oldest first after this position; null: the newest `limit`, oldest of them first. */
  readonly since: StreamPosition | null;
}

export function encodeHistory(command: Omit<HistoryCommand, "type">): Frame {
  const { since } = command;
  return [
    Op.history,
    command.id,
    command.channel,
    command.limit,
    since === null ? null : [since.epoch, since.offset],
  ];
}

export function decodeHistory(frame: RawFrame): HistoryCommand {
  return {
    type: "history",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    channel: stringField(frame[2], "channel", MAX_CHANNEL_BYTES),
    limit: uintField(frame[3], "limit", MAX_HISTORY_LIMIT),
    since: frame[4] === undefined || frame[4] === null ? null : positionField(frame[4], "since"),
  };
}

/** One publication as history gives it: [offset, payload, meta | nil] */
export interface HistoryItem {
  readonly offset: number;
  readonly payload: Uint8Array;
  readonly meta: PublicationMeta | null;
}

/** Result of history: [epoch, offset, complete, [[offset, payload, meta | nil], ...]] [P-6.5] */
export interface HistoryResult {
  readonly epoch: string;
  /** Offset of the newest publication of the channel. */
  readonly offset: number;
  /** False when publications after `since` are gone (trimmed, expired, or of another epoch). */
  readonly complete: boolean;
  readonly publications: readonly HistoryItem[];
}

export function historyResult(result: HistoryResult): FrameValue {
  return [
    result.epoch,
    result.offset,
    result.complete,
    result.publications.map((item) => [
      item.offset,
      item.payload,
      item.meta === null ? null : metaValue(item.meta),
    ]),
  ];
}

export function decodeHistoryResult(value: unknown): HistoryResult {
  const fields = arrayField(value, "result");
  return {
    epoch: stringField(fields[0], "epoch", MAX_EPOCH_BYTES),
    offset: uintField(fields[1], "offset"),
    complete: fields[2] === true,
    publications: arrayField(fields[3], "publications").map((entry) => {
      const item = arrayField(entry, "publication");
      return {
        offset: uintField(item[0], "offset"),
        payload: bytesField(item[1], "payload"),
        meta: item[2] === null || item[2] === undefined ? null : metaField(item[2]),
      };
    }),
  };
}
