import { describe, expect, test } from "bun:test";

import { fields, list } from "../../client/layout.ts";
import { MsgpackDecoder } from "../../client/msgpack-decoder.ts";
import { readServerFrame } from "../../client/server-frame.ts";
import { decodeBinary, encodeBinary } from "../../protocol/binary-codec.ts";
import type { Frame, FrameValue } from "../../protocol/frame.ts";
import { encodeChannel } from "../../protocol/messages/channel.ts";
import { encodeConnected } from "../../protocol/messages/connected.ts";
import { encodeDrain } from "../../protocol/messages/drain.ts";
import { encodeGap } from "../../protocol/messages/gap.ts";
import { decodeHistoryResult, historyResult } from "../../protocol/messages/history.ts";
import { encodeNotice } from "../../protocol/messages/notice.ts";
import { encodePong } from "../../protocol/messages/ping.ts";
import {
  decodePresenceResult,
  encodePresencePush,
  presenceResult,
} from "../../protocol/messages/presence.ts";
import { encodePublication } from "../../protocol/messages/publication.ts";
import { decodePublishedResult, publishedResult } from "../../protocol/messages/publish.ts";
import { encodeTokenExpiring } from "../../protocol/messages/refresh.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { decodeSubscribedResult, subscribedResult } from "../../protocol/messages/subscribe.ts";
import { encodeUnsubscribed } from "../../protocol/messages/unsubscribe.ts";
import { Op } from "../../protocol/op.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { arbitraryResults, arbitraryServerFrames } from "../support/arbitrary-server-frame.ts";
import { announceSeed, Random } from "../support/random.ts";
import { loadVectors } from "../support/vector-files.ts";

/* The client's short decoder of server frames against its plain twin, the decoders of protocol/messages. */

const ROUNDS = 300;
const seed = announceSeed("client server frames");
const decoder = new MsgpackDecoder();

function encode(frame: ServerFrame): Frame {
  switch (frame.type) {
    case "connected":
      return encodeConnected(frame);
    case "ok":
      return encodeOk(frame.id, frame.result as FrameValue);
    case "error": {
      const { id, code, name, message, retryAfterMs } = frame;
      return [Op.error, id, code, name, message, retryAfterMs];
    }
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
    case "pong":
      return encodePong(frame);
    case "drain":
      return encodeDrain(frame.windowMs);
    case "token-expiring":
      return encodeTokenExpiring(frame.expiresInMs);
    case "notice":
      return encodeNotice(frame);
  }
}

describe("frames", () => {
  for (const [type, arbitrary] of Object.entries(arbitraryServerFrames)) {
    test(`${type} reads as the protocol reads it`, () => {
      const random = new Random(seed);
      for (let i = 0; i < ROUNDS; i++) {
        const bytes = encodeBinary(encode(arbitrary(random)));
        const expected = decodeServerFrame(decodeBinary(bytes, 0, bytes.length));
        expect(readServerFrame(decoder.decode(bytes))).toEqual(expected);
      }
    });
  }

  test("the golden frames read as the protocol reads them", async () => {
    const { serverFrames } = await loadVectors();
    let count = 0;
    for (const { hex } of serverFrames) {
      if (hex === undefined) continue;
      const bytes = Uint8Array.fromHex(hex);
      const expected = decodeServerFrame(decodeBinary(bytes, 0, bytes.length));
      const read = readServerFrame(decoder.decode(bytes));
      if (expected?.type === "ok") expect(read).toMatchObject({ type: "ok", id: expected.id });
      else expect(read).toEqual(expected);
      count++;
    }
    expect(count).toBeGreaterThan(12);
  });

  test("an op of a later version is skipped", () => {
    expect(readServerFrame([63, 1, 2])).toBeNull();
  });

  test("fields of a later version are ignored, and optional ones may be absent", () => {
    expect(readServerFrame([Op.drain, 5, "more", 7])).toEqual({ type: "drain", windowMs: 5 });
    expect(readServerFrame([Op.publication, 1, 2, new Uint8Array(0), "more"])).toMatchObject({
      meta: null,
    });
    expect(readServerFrame([Op.error, 1, 4003, "forbidden", "no"])).toMatchObject({
      retryAfterMs: null,
    });
    expect(readServerFrame([Op.publicationMeta, 1, 2, ["id"], "text"])).toMatchObject({
      meta: { id: "id", key: null, headers: null, user: null },
      payload: new TextEncoder().encode("text"),
    });
  });

  test("what is no frame is refused", () => {
    const wrong: unknown[] = [
      null,
      7,
      {},
      [],
      ["35", 1, 2, "x"],
      [Op.publication, -1, 2, "x"],
      [Op.publication, 1, 2.5, "x"],
      [Op.publication, 1, 2],
      [Op.gap, 1, 1, 1, null, 1],
      [Op.connected, 1, 1, "c", null, "n", 1, 0],
      [Op.channel, 1, 2, "e", 0],
      [Op.publicationMeta, 1, 2, 3, "x"],
      [Op.publicationMeta, 1, 2, [null, null, 3], 7],
    ];
    for (const raw of wrong) expect(() => readServerFrame(raw)).toThrow(TypeError);
  });
});

describe("results", () => {
  const cases = [
    {
      name: "subscribed",
      make: (random: Random) => subscribedResult(arbitraryResults.subscribed(random)),
      read: (value: unknown) => fields("channelId:u epoch:s offset:u recovered:o count:u", value),
      twin: decodeSubscribedResult,
    },
    {
      name: "published",
      make: (random: Random) => publishedResult(arbitraryResults.published(random)),
      read: (value: unknown) => fields("offset:u epoch:s", value),
      twin: decodePublishedResult,
    },
    {
      name: "history",
      make: (random: Random) => historyResult(arbitraryResults.history(random)),
      read: (value: unknown) => fields("epoch:s offset:u complete:o publications:p", value),
      twin: decodeHistoryResult,
    },
    {
      name: "presence",
      make: (random: Random) => presenceResult(arbitraryResults.presence(random)),
      read: (value: unknown) => list("connection:s user:S", value),
      twin: decodePresenceResult,
    },
  ];
  for (const { name, make, read, twin } of cases) {
    test(`${name} reads as the protocol reads it`, () => {
      const random = new Random(seed + 1);
      for (let i = 0; i < ROUNDS; i++) {
        const bytes = encodeBinary(encodeOk(1, make(random)));
        const expected: unknown = twin(decodeBinary(bytes, 0, bytes.length)[2]);
        const ok = readServerFrame(decoder.decode(bytes));
        expect(read(ok?.type === "ok" ? ok.result : null)).toEqual(expected);
      }
    });
  }

  test("a result that is no array is refused", () => {
    expect(() => fields("offset:u epoch:s", null)).toThrow(TypeError);
    expect(() => list("connection:s user:S", [["c", null], 7])).toThrow(TypeError);
  });
});
