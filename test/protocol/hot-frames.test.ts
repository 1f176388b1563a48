import { describe, expect, test } from "bun:test";

import { decodeBinary, encodeBinary } from "../../protocol/binary-codec.ts";
import { metaValue } from "../../protocol/messages/meta.ts";
import {
  decodePublication,
  encodePublication,
  publicationSize,
  readPublication,
  writePublication,
} from "../../protocol/messages/publication.ts";
import type { PublicationView } from "../../protocol/messages/publication.ts";
import {
  decodePublish,
  encodePublish,
  publishedResult,
  publishedSize,
  publishSize,
  readPublish,
  writePublish,
  writePublished,
} from "../../protocol/messages/publish.ts";
import type { PublishView } from "../../protocol/messages/publish.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { FrameReader } from "../../protocol/reader.ts";
import {
  arbitraryEpoch,
  arbitraryMeta,
  arbitraryName,
  arbitraryPayload,
  arbitraryUint,
} from "../support/arbitrary.ts";
import { plainBytes } from "../support/plain-msgpack-writer.ts";
import type { PlainValue } from "../support/plain-msgpack.ts";
import { announceSeed, Random } from "../support/random.ts";

/*
 * The hand codec of the hot frames against its plain twins: what it writes is what msgpackr and the plain
 * reader read, and what they write is what it reads, at any place in a message and byte for byte.
 */

const ROUNDS = 2000;
const seed = announceSeed("hot frames");

/** Bytes around the frame, to catch a write or a read beyond it. */
const MARGIN = 0xa5;

/** Writes at a random position of a buffer of exactly `size` more bytes; returns what was written. */
function written(
  random: Random,
  size: number,
  write: (bytes: Uint8Array, pos: number) => number,
): Uint8Array {
  const pos = random.below(5);
  const bytes = new Uint8Array(pos + size + 4).fill(MARGIN);
  const end = write(bytes, pos);
  expect(end).toBe(pos + size);
  expect(bytes.subarray(0, pos).every((byte) => byte === MARGIN)).toBe(true);
  expect(bytes.subarray(end).every((byte) => byte === MARGIN)).toBe(true);
  return bytes.slice(pos, end);
}

/** A reader on a frame that stands somewhere in a larger message. */
function readerOn(random: Random, frame: Uint8Array): FrameReader {
  const before = random.bytes(random.below(5));
  const message = Buffer.concat([before, frame, random.bytes(random.below(5))]);
  const reader = new FrameReader();
  reader.reset(message, before.length, message.length);
  return reader;
}

function slice(reader: FrameReader, start: number, end: number): Uint8Array {
  return Uint8Array.from(reader.bytes.subarray(start, end));
}

function publishView(): PublishView {
  return { id: -1, channelStart: -1, channelEnd: -1, payloadStart: -1, payloadEnd: -1 };
}

function publicationView(): PublicationView {
  return { channelId: -1, offset: -1, payloadStart: -1, payloadEnd: -1 };
}

describe("publish", () => {
  test("written by hand is what a plain writer writes and msgpackr reads", () => {
    const random = new Random(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const id = arbitraryUint(random, 0xffff_ffff);
      const channel = arbitraryName(random);
      const payload = arbitraryPayload(random);
      const bytes = written(random, publishSize(id, channel, payload.length), (into, pos) =>
        writePublish(into, pos, id, channel, payload),
      );
      const frame = encodePublish({ id, channel, payload, meta: null });
      expect(bytes).toEqual(Uint8Array.from(plainBytes([...frame] as PlainValue)));
      expect(decodePublish(decodeBinary(bytes, 0, bytes.length))).toEqual({
        type: "publish",
        id,
        channel,
        payload,
        meta: null,
      });
    }
  });

  test("written by msgpackr is what the hand reader reads", () => {
    const random = new Random(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const id = arbitraryUint(random, 0xffff_ffff);
      const channel = arbitraryName(random);
      const payload = arbitraryPayload(random);
      const bytes = encodeBinary(encodePublish({ id, channel, payload, meta: null }));
      const reader = readerOn(random, bytes);
      const start = reader.pos;
      const view = publishView();
      expect(readPublish(reader, view)).toBe(true);
      expect(reader.pos).toBe(start + bytes.length);
      expect(view.id).toBe(id);
      const name = slice(reader, view.channelStart, view.channelEnd);
      expect(Buffer.from(name).toString("utf8")).toBe(channel);
      expect(slice(reader, view.payloadStart, view.payloadEnd)).toEqual(payload);
    }
  });

  test("cut anywhere is left to the general path", () => {
    const bytes = encodeBinary(
      encodePublish({ id: 300, channel: "chat.room", payload: new Uint8Array(300), meta: null }),
    );
    for (let length = 0; length < bytes.length; length++) {
      const reader = new FrameReader();
      // The bytes go on behind the end: the reader must mind the end, not the array.
      reader.reset(bytes, 0, length);
      expect([length, readPublish(reader, publishView())]).toEqual([length, false]);
    }
  });

  test.each([
    ["with meta", "9505 0a a161 90 c400"],
    ["as array 16", "dc0004 04 0a a161 c400"],
    ["with a field more", "95 04 0a a161 c400 c0"],
    ["with an id as int 8", "94 04 d00a a161 c400"],
    ["with an id of 2^32", "94 04 cf0000000100000000 a161 c400"],
    ["with an id of 2^64-1", "94 04 cfffffffffffffffff a161 c400"],
    ["with a negative id", "94 04 ff a161 c400"],
    ["with a channel as str 16", "94 04 0a da000161 c400"],
    ["with a channel as bin", "94 04 0a c40161 c400"],
    ["with a payload as str", "94 04 0a a161 a0"],
    ["with an op as uint 8", "94 cc04 0a a161 c400"],
    ["that is a ping", "94 06 0a a161 c400"],
  ])("%s is left to the general path", (_, hex) => {
    const reader = new FrameReader(Uint8Array.fromHex(hex.replaceAll(" ", "")));
    expect(readPublish(reader, publishView())).toBe(false);
  });
});

describe("publication", () => {
  test("written by hand is what a plain writer writes and msgpackr reads", () => {
    const random = new Random(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const channelId = arbitraryUint(random);
      const offset = arbitraryUint(random);
      const payload = arbitraryPayload(random);
      const meta = random.chance(0.3) ? arbitraryMeta(random) : null;
      const metaBytes = meta === null ? null : plainBytes(metaValue(meta) as PlainValue);
      // The payload is often a part of what a publisher sent.
      const source = Buffer.concat([random.bytes(3), payload, random.bytes(3)]);
      const size = publicationSize(channelId, offset, payload.length, metaBytes?.length ?? 0);
      const bytes = written(random, size, (into, pos) =>
        writePublication(into, pos, channelId, offset, source, 3, 3 + payload.length, metaBytes),
      );
      const push = { channelId, offset, payload, meta };
      const frame = encodePublication(push);
      expect(bytes).toEqual(Uint8Array.from(plainBytes([...frame] as PlainValue)));
      expect(decodePublication(decodeBinary(bytes, 0, bytes.length))).toEqual({
        type: "publication",
        ...push,
      });
    }
  });

  test("written by hand is what the hand reader reads, but not with meta", () => {
    const random = new Random(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const channelId = arbitraryUint(random);
      const offset = arbitraryUint(random);
      const payload = arbitraryPayload(random);
      const { length } = payload;
      const bytes = new Uint8Array(publicationSize(channelId, offset, length));
      writePublication(bytes, 0, channelId, offset, payload, 0, length, null);
      const reader = readerOn(random, bytes);
      const start = reader.pos;
      const view = publicationView();
      expect(readPublication(reader, view)).toBe(true);
      expect(reader.pos).toBe(start + bytes.length);
      expect([view.channelId, view.offset]).toEqual([channelId, offset]);
      expect(slice(reader, view.payloadStart, view.payloadEnd)).toEqual(payload);
    }
    const meta = arbitraryMeta(random);
    const withMeta = encodeBinary(
      encodePublication({ channelId: 1, offset: 1, payload: new Uint8Array(1), meta }),
    );
    expect(readPublication(new FrameReader(withMeta), publicationView())).toBe(false);
  });

  test("cut anywhere is left to the general path", () => {
    const bytes = new Uint8Array(publicationSize(70_000, 2 ** 40, 300));
    writePublication(bytes, 0, 70_000, 2 ** 40, new Uint8Array(300), 0, 300, null);
    for (let length = 0; length < bytes.length; length++) {
      const reader = new FrameReader();
      reader.reset(bytes, 0, length);
      expect([length, readPublication(reader, publicationView())]).toEqual([length, false]);
    }
  });

  test.each([
    ["with meta", "95 24 07 2a 90 c400"],
    ["with a field more", "95 23 07 2a c400 c0"],
    ["with an id as int 8", "94 23 d007 2a c400"],
    ["with a negative offset", "94 23 07 ff c400"],
    ["with a nil offset", "94 23 07 c0 c400"],
    ["with an offset of 2^53", "94 23 07 cf0020000000000000 c400"],
    ["with an offset as a float", "94 23 07 cb4045000000000000 c400"],
    ["with an offset for an id and none for itself", "94 23 c0 2a c400"],
    ["with an id that is no number", "94 23 a0 2a c400"],
    ["with a binary for an id", "94 23 c400 2a c400"],
    ["with a binary for an offset", "94 23 07 c400 c400"],
    ["with a payload as str", "94 23 07 2a a0"],
    ["that is a pong", "94 2a 07 2a c400"],
  ])("%s is left to the general path", (_, hex) => {
    const reader = new FrameReader(Uint8Array.fromHex(hex.replaceAll(" ", "")));
    expect(readPublication(reader, publicationView())).toBe(false);
  });
});

test("the reply to a publish, written by hand, is what a plain writer writes", () => {
  const random = new Random(seed);
  for (let round = 0; round < ROUNDS; round++) {
    const id = arbitraryUint(random, 0xffff_ffff);
    const result = { offset: arbitraryUint(random), epoch: arbitraryEpoch(random) };
    const size = publishedSize(id, result.offset, result.epoch);
    const bytes = written(random, size, (into, pos) =>
      writePublished(into, pos, id, result.offset, result.epoch),
    );
    const frame = encodeOk(id, publishedResult(result));
    expect(bytes).toEqual(Uint8Array.from(plainBytes([...frame] as PlainValue)));
    expect(decodeBinary(bytes, 0, bytes.length)).toEqual(frame as never);
  }
});
