import { describe, expect, test } from "bun:test";

import { BinaryCodec } from "../../protocol/binary-codec.ts";
import type { RawFrame } from "../../protocol/codec.ts";
import { decodeCommand } from "../../protocol/command.ts";
import type { Frame, FrameValue } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import { decodeHistoryResult, historyResult } from "../../protocol/messages/history.ts";
import { decodePresenceResult, presenceResult } from "../../protocol/messages/presence.ts";
import { decodePublishedResult, publishedResult } from "../../protocol/messages/publish.ts";
import { decodeRefreshedResult, refreshedResult } from "../../protocol/messages/refresh.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { decodeSubscribedResult, subscribedResult } from "../../protocol/messages/subscribe.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import { arbitraryResults, arbitraryServerFrames } from "../support/arbitrary-server-frame.ts";
import { arbitraryCommands } from "../support/arbitrary.ts";
import { encodeCommand, encodeServerFrame } from "../support/encode-any.ts";
import { plainFrames } from "../support/plain-msgpack.ts";
import { announceSeed, Random } from "../support/random.ts";

const ROUNDS = 200;
const seed = announceSeed("messages");

function through(codec: BinaryCodec | JsonCodec, frame: Frame): RawFrame {
  const frames: RawFrame[] = [];
  if (codec instanceof BinaryCodec) codec.decode(codec.encode(frame), (one) => frames.push(one));
  else codec.decode(codec.encode(frame), (one) => frames.push(one));
  expect(frames).toHaveLength(1);
  return frames[0] ?? [];
}

const toBroker = [new BinaryCodec(), new JsonCodec()] as const;
const toClient = [new BinaryCodec(MAX_PUSH_DEPTH), new JsonCodec(MAX_PUSH_DEPTH)] as const;

describe.each(Object.entries(arbitraryCommands))("%s", (_, arbitrary) => {
  test("comes out of both codecs as it went in", () => {
    const random = new Random(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const command = arbitrary(random);
      const frame = encodeCommand(command);
      for (const codec of toBroker) expect(decodeCommand(through(codec, frame))).toEqual(command);
    }
  });

  test("is msgpack that a plain reader reads within the limits of a client's frame", () => {
    const random = new Random(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const frame = encodeCommand(arbitrary(random));
      const bytes = new BinaryCodec().encode(frame);
      expect(plainFrames(bytes, { maxDepth: 4, maxFields: 16 })).toEqual([frame as never]);
    }
  });

  test("fails as a bad field, not otherwise, when a field is left out or of another type", () => {
    const random = new Random(seed);
    const command = arbitrary(random);
    const frame = encodeCommand(command);
    for (let index = 1; index < frame.length; index++) {
      for (const value of [undefined, null, true, -1, 1.5, {}, [[]], new Map([["a", 1]])]) {
        const changed = frame.map((field, i) => (i === index ? value : field));
        for (const candidate of [changed, frame.slice(0, index)]) {
          try {
            decodeCommand(candidate);
          } catch (error) {
            expect(error).toMatchObject({
              name: "ProtocolError",
              isFatal: false,
              info: { name: "bad_field" },
            });
          }
        }
      }
    }
  });
});

describe.each(Object.entries(arbitraryServerFrames))("%s", (_, arbitrary) => {
  test("comes out of both codecs as it went in", () => {
    const random = new Random(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const decoded = arbitrary(random);
      const frame = encodeServerFrame(decoded);
      for (const codec of toClient) {
        expect(decodeServerFrame(through(codec, frame))).toEqual(decoded);
      }
    }
  });
});

/** Puts a random result into an ok reply, through both codecs, and takes it out again. */
function expectResult<Result>(
  arbitrary: (random: Random) => Result,
  encode: (result: Result) => FrameValue,
  decode: (value: unknown) => Result,
): void {
  const random = new Random(seed);
  for (let round = 0; round < ROUNDS; round++) {
    const result = arbitrary(random);
    for (const codec of toClient) {
      const reply = decodeServerFrame(through(codec, encodeOk(9, encode(result))));
      expect(reply).toMatchObject({ type: "ok", id: 9 });
      expect(decode(reply?.type === "ok" ? reply.result : null)).toEqual(result);
    }
  }
}

describe("results come out of both codecs as they went in:", () => {
  test("subscribe", () => {
    expectResult(arbitraryResults.subscribed, subscribedResult, decodeSubscribedResult);
  });

  test("publish", () => {
    expectResult(arbitraryResults.published, publishedResult, decodePublishedResult);
  });

  test("history", () => {
    expectResult(arbitraryResults.history, historyResult, decodeHistoryResult);
  });

  test("presence", () => {
    expectResult(arbitraryResults.presence, presenceResult, decodePresenceResult);
  });

  test("refresh", () => {
    expectResult(arbitraryResults.refreshed, refreshedResult, decodeRefreshedResult);
  });
});
