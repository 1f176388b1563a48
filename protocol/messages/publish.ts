import type { RawFrame } from "../codec.ts";
import { arrayField, bytesField, stringField, uintField } from "../fields.ts";
import type { Frame, FrameValue } from "../frame.ts";
import { MAX_CHANNEL_BYTES, MAX_EPOCH_BYTES, MAX_REQUEST_ID } from "../limits.ts";
import { Op } from "../op.ts";
import type { FrameReader } from "../reader.ts";
import {
  asciiSize,
  binHeaderSize,
  copyBytes,
  uintSize,
  writeAscii,
  writeBinHeader,
  writeUint,
} from "../writer.ts";
import { clientMetaField, metaValue } from "./meta.ts";
import type { PublicationMeta } from "./meta.ts";

/**
 * [4, id, channel, payload]         publish; id 0 asks for no reply [P-6.4]
 * [5, id, channel, meta, payload]   the same with meta [P-6.9]
 */
export interface PublishCommand {
  readonly type: "publish";
  readonly id: number;
  readonly channel: string;
  readonly payload: Uint8Array;
  readonly meta: PublicationMeta | null;
}

export function encodePublish(command: Omit<PublishCommand, "type">): Frame {
  const { id, channel, payload, meta } = command;
  if (meta === null) return [Op.publish, id, channel, payload];
  return [Op.publishMeta, id, channel, metaValue(meta), payload];
}

export function decodePublish(frame: RawFrame): PublishCommand {
  const hasMeta = frame[0] === Op.publishMeta;
  return {
    type: "publish",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    channel: stringField(frame[2], "channel", MAX_CHANNEL_BYTES),
    meta: hasMeta ? clientMetaField(frame[3]) : null,
    payload: bytesField(frame[hasMeta ? 4 : 3], "payload"),
  };
}

/** Where the parts of a hot publish frame lie in the message; one instance is reused. */
export interface PublishView {
  id: number;
  channelStart: number;
  channelEnd: number;
  payloadStart: number;
  payloadEnd: number;
}

/**
 * Reads the plain publish frame at the reader's position by hand:
 *
 *   94 | 04 | id uint | channel fixstr or str 8 | payload bin
 *
 * Returns false, with the reader's position undefined, for anything else, even if it is a valid publish
 * in another encoding: the general path takes that.
 */
export function readPublish(reader: FrameReader, view: PublishView): boolean {
  const { bytes, pos } = reader;
  if (pos + 2 > reader.end || bytes[pos] !== 0x94 || bytes[pos + 1] !== Op.publish) return false;
  reader.pos = pos + 2;
  const id = reader.uint();
  if (id < 0 || id > MAX_REQUEST_ID) return false;
  view.id = id;
  if (!reader.shortString()) return false;
  view.channelStart = reader.rangeStart;
  view.channelEnd = reader.rangeEnd;
  if (!reader.binary()) return false;
  view.payloadStart = reader.rangeStart;
  view.payloadEnd = reader.rangeEnd;
  return true;
}

/** Bytes `writePublish` will use. */
export function publishSize(id: number, channel: string, payloadBytes: number): number {
  return 2 + uintSize(id) + asciiSize(channel) + binHeaderSize(payloadBytes) + payloadBytes;
}

/** Writes the plain publish frame by hand at `pos`; returns the position after it. */
export function writePublish(
  bytes: Uint8Array,
  pos: number,
  id: number,
  channel: string,
  payload: Uint8Array,
): number {
  bytes[pos] = 0x94;
  bytes[pos + 1] = Op.publish;
  let at = writeUint(bytes, pos + 2, id);
  at = writeAscii(bytes, at, channel);
  at = writeBinHeader(bytes, at, payload.length);
  return copyBytes(bytes, at, payload, 0, payload.length);
}

/** Result of publish: [offset, epoch]  the publication's place in the stream [P-6.4] */
export interface PublishedResult {
  readonly offset: number;
  readonly epoch: string;
}

export function publishedResult(result: PublishedResult): FrameValue {
  return [result.offset, result.epoch];
}

export function decodePublishedResult(value: unknown): PublishedResult {
  const fields = arrayField(value, "result");
  return {
    offset: uintField(fields[0], "offset"),
    epoch: stringField(fields[1], "epoch", MAX_EPOCH_BYTES),
  };
}

/** Bytes `writePublished` will use at most. */
export function publishedSize(id: number, offset: number, epoch: string): number {
  return 3 + uintSize(id) + uintSize(offset) + asciiSize(epoch);
}

/** Writes `[33, id, [offset, epoch]]` by hand: a busy publisher gets one for every publication. */
export function writePublished(
  bytes: Uint8Array,
  pos: number,
  id: number,
  offset: number,
  epoch: string,
): number {
  bytes[pos] = 0x93;
  bytes[pos + 1] = Op.ok;
  let at = writeUint(bytes, pos + 2, id);
  bytes[at++] = 0x92;
  at = writeUint(bytes, at, offset);
  return writeAscii(bytes, at, epoch);
}
