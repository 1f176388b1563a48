import { describe, expect, test } from "bun:test";

import { ByteBuffer } from "../../../broker/sessions/byte-buffer.ts";
import { announceSeed, Random } from "../../support/random.ts";

describe("byte buffer", () => {
  test("equals what was appended since the last reset, whatever its size", () => {
    const random = new Random(announceSeed("byte-buffer"));
    const buffer = new ByteBuffer(16, 4096);
    let expected: number[] = [];
    for (let step = 0; step < 2000; step++) {
      if (random.chance(0.1)) {
        buffer.reset();
        expected = [];
      } else if (random.chance(0.5)) {
        const bytes = random.bytes(random.pick([0, 1, 15, 17, random.below(600)]));
        buffer.append(bytes);
        expected.push(...bytes);
      } else {
        // As codecs write: make room, then write by hand.
        const size = random.below(40);
        buffer.reserve(size);
        for (let i = 0; i < size; i++) buffer.bytes[buffer.length + i] = i;
        buffer.length += size;
        for (let i = 0; i < size; i++) expected.push(i);
      }
      expect(buffer.length).toBe(expected.length);
      expect(buffer.view()).toEqual(Uint8Array.from(expected));
    }
  });

  test("keeps memory it may keep, and gives back what grew beyond", () => {
    const buffer = new ByteBuffer(16, 1000);
    buffer.append(new Uint8Array(900));
    const small = buffer.bytes;
    buffer.reset();
    expect(buffer.bytes).toBe(small);
    buffer.append(new Uint8Array(100_000));
    buffer.reset();
    expect(buffer.bytes.length).toBeLessThanOrEqual(1000);
  });
});
