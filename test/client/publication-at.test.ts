import { expect, test } from "bun:test";

import { MsgpackDecoder } from "../../client/msgpack-decoder.ts";
import { readServerFrame } from "../../client/server-frame.ts";
import type { PublicationView } from "../../protocol/messages/publication.ts";
import { publicationSize, writePublication } from "../../protocol/messages/publication.ts";
import { arbitraryPayload, arbitraryUint } from "../support/arbitrary.ts";
import { announceSeed, Random } from "../support/random.ts";

/* The client's way of reading plain publications without making anything, against its general one. */

const seed = announceSeed("client publications");
const decoder = new MsgpackDecoder();

function read(bytes: Uint8Array): [isRead: boolean, view: PublicationView] {
  const view = { channelId: 0, offset: 0, payloadStart: 0, payloadEnd: 0 };
  return [decoder.publicationAt(bytes, 0, view), view];
}

function general(bytes: Uint8Array): unknown {
  try {
    return readServerFrame(decoder.decodeAt(bytes, 0));
  } catch {
    return "refused";
  }
}

function arbitraryPublication(random: Random): Uint8Array {
  const [channelId, offset] = [arbitraryUint(random), arbitraryUint(random)];
  const payload = arbitraryPayload(random);
  const bytes = new Uint8Array(publicationSize(channelId, offset, payload.length));
  writePublication(bytes, 0, channelId, offset, payload, 0, payload.length, null);
  return bytes;
}

test("what is read so is what the general way reads", () => {
  const random = new Random(seed);
  for (let i = 0; i < 2000; i++) {
    const bytes = arbitraryPublication(random);
    const [isRead, { channelId, offset, payloadStart, payloadEnd }] = read(bytes);
    expect(isRead).toBe(true);
    expect(decoder.end).toBe(bytes.length);
    const payload = bytes.subarray(payloadStart, payloadEnd);
    const frame = { type: "publication", channelId, offset, payload, meta: null };
    expect(general(bytes)).toEqual(frame);
  }
});

test("of mutated and cut frames nothing is read that the general way refuses", () => {
  const random = new Random(seed);
  let readCount = 0;
  for (let i = 0; i < 5000; i++) {
    const bytes = arbitraryPublication(random).slice();
    bytes[random.below(Math.min(bytes.length, 24))] = random.below(256);
    const cut = bytes.subarray(0, random.chance(0.5) ? bytes.length : random.below(bytes.length));
    let found: ReturnType<typeof read>;
    try {
      found = read(cut);
    } catch {
      expect(general(cut)).toBe("refused");
      continue;
    }
    const [isRead, { channelId, offset }] = found;
    if (!isRead) continue;
    readCount++;
    expect(general(cut)).toMatchObject({ type: "publication", channelId, offset });
  }
  expect(readCount).toBeGreaterThan(100);
});
