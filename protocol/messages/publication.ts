import type { RawFrame } from "../codec.ts";
import { bytesField, uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { Op } from "../op.ts";
import type { FrameReader } from "../reader.ts";
import { binHeaderSize, copyBytes, uintSize, writeBinHeader, writeUint } from "../writer.ts";
import { metaField, metaValue } from "./meta.ts";
import type { PublicationMeta } from "./meta.ts";

/**
 * [35, channelId, offset, payload]         a publication [P-7.2]
 * [36, channelId, offset, meta, payload]   the same with meta [P-6.9]
 */
export interface PublicationPush {
  readonly type: "publication";
  readonly channelId: number;
  readonly offset: number;
  readonly payload: Uint8Array;
  readonly meta: PublicationMeta | null;
}

export function encodePublication(push: Omit<PublicationPush, "type">): Frame {
  const { channelId, offset, payload, meta } = push;
  if (meta === null) return [Op.publication, channelId, offset, payload];
  return [Op.publicationMeta, channelId, offset, metaValue(meta), payload];
}

export function decodePublication(frame: RawFrame): PublicationPush {
  const hasMeta = frame[0] === Op.publicationMeta;
  return {
    type: "publication",
    channelId: uintField(frame[1], "channelId"),
    offset: uintField(frame[2], "offset"),
    meta: hasMeta ? metaField(frame[3]) : null,
    payload: bytesField(frame[hasMeta ? 4 : 3], "payload"),
  };
}

/** Bytes `writePublication` will use; `metaBytes` is 0 for the plain form. */
export function publicationSize(
  channelId: number,
  offset: number,
  payloadBytes: number,
  metaBytes = 0,
): number {
  return (
    2 +
    uintSize(channelId) +
    uintSize(offset) +
    metaBytes +
    binHeaderSize(payloadBytes) +
    payloadBytes
  );
}

/**
 * Writes a publication by hand:
 *
 *   94 | 23 | channelId uint | offset uint | payload bin              plain
 *   95 | 24 | channelId uint | offset uint | meta | payload bin       with encoded meta
 */
export function writePublication(
  bytes: Uint8Array,
  pos: number,
  channelId: number,
  offset: number,
  source: Uint8Array,
  start: number,
  end: number,
  meta: Uint8Array | null,
): number {
  bytes[pos] = meta === null ? 0x94 : 0x95;
  bytes[pos + 1] = meta === null ? Op.publication : Op.publicationMeta;
  let at = writeUint(bytes, pos + 2, channelId);
  at = writeUint(bytes, at, offset);
  if (meta !== null) at = copyBytes(bytes, at, meta, 0, meta.length);
  at = writeBinHeader(bytes, at, end - start);
  return copyBytes(bytes, at, source, start, end);
}

/** Where the parts of a hot publication frame lie in the message; one instance is reused. */
export interface PublicationView {
  channelId: number;
  offset: number;
  payloadStart: number;
  payloadEnd: number;
}

/** Reads a plain publication by hand; false for anything else, with the reader's position undefined. */
export function readPublication(reader: FrameReader, view: PublicationView): boolean {
  const { bytes, pos } = reader;
  if (pos + 2 > reader.end || bytes[pos] !== 0x94 || bytes[pos + 1] !== Op.publication)
    return false;
  reader.pos = pos + 2;
  view.channelId = reader.uint();
  view.offset = reader.uint();
  if (view.channelId < 0 || view.offset < 0 || !reader.binary()) return false;
  view.payloadStart = reader.rangeStart;
  view.payloadEnd = reader.rangeEnd;
  return true;
}
