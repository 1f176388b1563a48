import { describe, expect, test } from "bun:test";

import {
  asciiSize,
  binHeaderSize,
  copyBytes,
  uintSize,
  writeAscii,
  writeBinHeader,
  writeUint,
  writeUint32,
} from "../../protocol/writer.ts";
import { arbitraryUint } from "../support/arbitrary.ts";
import { plainBytes } from "../support/plain-msgpack-writer.ts";
import { PlainReader } from "../support/plain-msgpack.ts";
import { announceSeed, Random } from "../support/random.ts";

const seed = announceSeed("writer");
const MARGIN = 0xa5;

/** Runs a write into a buffer with a margin on both sides; returns the bytes between. */
function written(write: (bytes: Uint8Array, pos: number) => number, size: number): Uint8Array {
  const bytes = new Uint8Array(3 + size + 3).fill(MARGIN);
  expect(write(bytes, 3)).toBe(3 + size);
  expect([...bytes.subarray(0, 3), ...bytes.subarray(3 + size)]).toEqual(
    Array.from({ length: 6 }, () => MARGIN),
  );
  return bytes.slice(3, 3 + size);
}

/** Each power of two and its neighbours, up to the largest exact integer. */
const edges = Array.from({ length: 54 }, (_, bit) => 2 ** bit)
  .flatMap((power) => [power - 1, power, power + 1])
  .filter((value) => Number.isSafeInteger(value));

describe("writeUint", () => {
  test("writes the shortest format at every edge", () => {
    for (const value of edges) {
      const bytes = written((into, pos) => writeUint(into, pos, value), uintSize(value));
      expect(bytes).toEqual(Uint8Array.from(plainBytes(value)));
      expect(new PlainReader(bytes).value(0)).toBe(value);
    }
  });

  test("writes the shortest format of random values", () => {
    const random = new Random(seed);
    for (let round = 0; round < 5000; round++) {
      const value = arbitraryUint(random);
      const bytes = written((into, pos) => writeUint(into, pos, value), uintSize(value));
      expect(bytes).toEqual(Uint8Array.from(plainBytes(value)));
    }
  });
});

test("writeUint32 writes four bytes, largest first", () => {
  for (const value of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0102_0304]) {
    const bytes = written((into, pos) => writeUint32(into, pos, value), 4);
    expect(Buffer.from(bytes).readUInt32BE()).toBe(value);
  }
});

test("writeBinHeader writes the shortest head of a length", () => {
  for (const length of [0, 1, 31, 32, 255, 256, 65_535, 65_536, 70_000]) {
    const size = binHeaderSize(length);
    const bytes = written((into, pos) => writeBinHeader(into, pos, length), size);
    expect(bytes).toEqual(Uint8Array.from(plainBytes(new Uint8Array(length)).subarray(0, size)));
  }
});

test("writeAscii writes a string of any length up to 255", () => {
  for (let length = 0; length <= 255; length++) {
    const value = Array.from({ length }, (_, i) => String.fromCharCode(0x21 + (i % 90))).join("");
    const bytes = written((into, pos) => writeAscii(into, pos, value), asciiSize(value));
    expect(bytes).toEqual(Uint8Array.from(plainBytes(value)));
  }
});

test("copyBytes copies any range of any source, below and above the length where it changes method", () => {
  const random = new Random(seed);
  for (const length of [
    0, 1, 2, 31, 32, 63, 64, 95, 96, 97, 98, 127, 128, 255, 256, 257, 258, 1000,
  ]) {
    for (const [before, after] of [
      [0, 0],
      [3, 0],
      [0, 3],
      [2, 2],
    ] as const) {
      const source = random.bytes(before + length + after);
      const bytes = written(
        (into, pos) => copyBytes(into, pos, source, before, before + length),
        length,
      );
      expect(bytes).toEqual(source.slice(before, before + length));
    }
  }
});
