import { describe, expect, test } from "bun:test";

import { SlabError, SlabReader, SlabWriter } from "../../../workers/boundary/slab.ts";
import { plainSlab } from "../../support/plain-slab.ts";
import type { PlainMessage } from "../../support/plain-slab.ts";
import { announceSeed, Random } from "../../support/random.ts";

const seed = announceSeed("slab");

function randomMessages(random: Random): PlainMessage[] {
  const channels = ["a", "orders.eu", "orders.eu.1", `long.${"x".repeat(200)}`];
  return Array.from({ length: random.below(40) }, () => {
    const channel = random.pick(channels);
    const lane = random.pick([null, channel, `${channel}\nkey-é-${random.below(3)}`]);
    const meta = random.chance(0.5) ? null : random.bytes(random.below(40));
    return { channel, lane, meta, payload: random.bytes(random.below(300)) };
  });
}

function append(writer: SlabWriter, { channel, lane, meta, payload }: PlainMessage): void {
  const margin = new Uint8Array(payload.length + 5).fill(0xa5);
  margin.set(payload, 2);
  writer.append(channel, lane, meta, margin, 2, 2 + payload.length);
}

function read(reader: SlabReader): PlainMessage[] {
  return Array.from({ length: reader.count }, (_, i) => {
    const lane = reader.lanes[i] ?? -1;
    const metaStart = reader.metaStarts[i] ?? -1;
    const start = reader.payloadStarts[i] ?? 0;
    return {
      channel: reader.names[reader.channels[i] ?? -1] ?? "",
      lane: lane === -1 ? null : (reader.names[lane] ?? ""),
      meta: metaStart === -1 ? null : reader.bytes.slice(metaStart, start),
      payload: reader.bytes.slice(start, reader.payloadEnds[i]),
    };
  });
}

describe("a batch", () => {
  for (const shared of [false, true]) {
    test(`is written as its plain twin writes it, and read back (shared ${shared})`, () => {
      const random = new Random(seed);
      const writer = new SlabWriter({ capacity: 64, shared });
      const reader = new SlabReader();
      for (let round = 0; round < 300; round++) {
        const messages = randomMessages(random);
        writer.reset();
        for (const message of messages) append(writer, message);
        const slab = writer.finish();
        expect<Uint8Array>(new Uint8Array(slab)).toEqual(plainSlab(messages));
        expect(writer.count).toBe(messages.length);
        expect(writer.payloadBytes).toBe(messages.reduce((sum, m) => sum + m.payload.length, 0));
        for (const [i, { payload, meta }] of messages.entries()) {
          const range = writer.bytes.slice(writer.payloadStart(i), writer.payloadEnd(i));
          expect<Uint8Array>(range).toEqual(payload);
          expect<Uint8Array | null>(writer.meta(i)?.slice() ?? null).toEqual(meta);
        }
        reader.open(slab);
        expect(read(reader)).toEqual(messages);
      }
    });
  }

  test("is read from any place in a larger buffer", () => {
    const message = { channel: "a", lane: "a", meta: null, payload: Uint8Array.of(1, 2, 3) };
    const slab = plainSlab([message]);
    const reader = new SlabReader();
    for (let offset = 0; offset < 4; offset++) {
      const frame = new Uint8Array(offset + slab.length + 3);
      frame.set(slab, offset);
      reader.open(frame.subarray(offset, offset + slab.length));
      expect(read(reader)).toEqual([message]);
    }
  });

  test("that is damaged is refused with one error, and the reader stays usable", () => {
    const random = new Random(seed);
    const reader = new SlabReader();
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      const messages = randomMessages(random);
      const slab = plainSlab(messages);
      const damaged = random.chance(0.3) ? slab.slice(0, random.below(slab.length)) : slab.slice();
      for (let i = random.between(1, 4); i > 0 && damaged.length > 0; i--) {
        damaged[random.below(Math.min(damaged.length, 64))] = random.below(256);
      }
      try {
        reader.open(damaged);
        for (const { payload } of read(reader)) expect(payload.length).toBeLessThan(400);
      } catch (error) {
        expect(error).toBeInstanceOf(SlabError);
        refused++;
      }
      reader.open(slab);
      expect(read(reader)).toEqual(messages);
    }
    expect(refused).toBeGreaterThan(1000);
  });

  test("asks for no message that it has not", () => {
    const writer = new SlabWriter();
    expect(() => writer.payloadStart(0)).toThrow(RangeError);
    append(writer, { channel: "a", lane: null, meta: null, payload: new Uint8Array(1) });
    expect(writer.payloadEnd(0) - writer.payloadStart(0)).toBe(1);
    writer.reset();
    expect(() => writer.payloadStart(0)).toThrow(RangeError);
  });
});
