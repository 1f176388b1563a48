import { describe, expect, test } from "bun:test";

import { decodeBinary } from "../../protocol/binary-codec.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import { MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS } from "../../protocol/limits.ts";
import { frameEnd, FrameReader } from "../../protocol/reader.ts";
import { arbitraryUint } from "../support/arbitrary.ts";
import { PlainError, PlainReader } from "../support/plain-msgpack.ts";
import type { PlainValue } from "../support/plain-msgpack.ts";
import { randomFrame } from "../support/random-msgpack.ts";
import { announceSeed, Random } from "../support/random.ts";

const seed = announceSeed("reader");

function hexReader(hex: string): FrameReader {
  return new FrameReader(Uint8Array.fromHex(hex.replaceAll(" ", "")));
}

describe("FrameReader", () => {
  test.each([
    ["00", 0],
    ["7f", 127],
    ["cc 80", 128],
    ["cc 00", 0],
    ["cd 0100", 256],
    ["cd 0001", 1],
    ["ce 00010000", 65_536],
    ["ce ffffffff", 0xffff_ffff],
    ["cf 0000000100000000", 2 ** 32],
    ["cf 001fffffffffffff", Number.MAX_SAFE_INTEGER],
  ])("reads %s as %i and stands behind it", (hex, value) => {
    const reader = hexReader(hex);
    expect(reader.uint()).toBe(value);
    expect(reader.pos).toBe(reader.end);
  });

  test.each([
    "",
    "80",
    "a0",
    "c0",
    "cc",
    "cd 00",
    "ce 000000",
    "cf 00000000000000",
    "cf 0020000000000000",
    "cf ffffffffffffffff",
    "d0 01",
    "d3 0000000000000001",
    "cb 3ff0000000000000",
    "ff",
  ])("refuses %j as an unsigned integer and stays where it was", (hex) => {
    const reader = hexReader(hex);
    expect(reader.uint()).toBe(-1);
    expect(reader.pos).toBe(0);
  });

  test.each([
    ["a0", 1, 1],
    ["a3 616263", 1, 4],
    ["bf 6161616161616161616161616161616161616161616161616161616161616161".slice(0, 65), 1, 32],
    ["d9 00", 2, 2],
    ["d9 03 616263", 2, 5],
  ])("finds the string in %s", (hex, start, end) => {
    const reader = hexReader(hex);
    expect(reader.shortString()).toBe(true);
    expect([reader.rangeStart, reader.rangeEnd, reader.pos]).toEqual([start, end, end]);
  });

  test.each(["", "a1", "d9", "d9 01", "da 0001 61", "c4 01 61", "9f", "80", "7f"])(
    "finds no short string in %j",
    (hex) => {
      expect(hexReader(hex).shortString()).toBe(false);
    },
  );

  test.each([
    ["c4 00", 2, 2],
    ["c4 02 0102", 2, 4],
    ["c5 0001 01", 3, 4],
    ["c6 00000001 01", 5, 6],
  ])("finds the binary in %s", (hex, start, end) => {
    const reader = hexReader(hex);
    expect(reader.binary()).toBe(true);
    expect([reader.rangeStart, reader.rangeEnd, reader.pos]).toEqual([start, end, end]);
  });

  test.each(["", "c4", "c4 01", "c5 00", "c5 0001", "c6 000000", "c6 ffffffff 00", "a1 61", "c0"])(
    "finds no binary in %j",
    (hex) => {
      expect(hexReader(hex).binary()).toBe(false);
    },
  );

  test("reads on within the bounds it was given anew", () => {
    const reader = hexReader("01 02 03 04");
    reader.reset(Uint8Array.of(9, 10, 11), 1, 2);
    expect(reader.uint()).toBe(10);
    expect(reader.uint()).toBe(-1);
  });
});

/** Where the plain reader says that a frame ends; null when it refuses it. */
function plainEnd(bytes: Uint8Array, pos: number): { end: number; value: PlainValue } | null {
  const reader = new PlainReader(bytes, pos);
  try {
    const value = reader.frame({ maxDepth: MAX_COMMAND_DEPTH, maxFields: MAX_COMMAND_FIELDS });
    return { end: reader.at, value };
  } catch (error) {
    if (error instanceof PlainError) return null;
    throw error;
  }
}

function guardedEnd(bytes: Uint8Array, pos: number): number | null {
  try {
    return frameEnd(bytes, pos, bytes.length, MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    expect(error).toMatchObject({ isFatal: true, info: { name: "bad_frame" }, requestId: 0 });
    return null;
  }
}

function nested(levels: number): Uint8Array {
  return Uint8Array.from([...Array.from({ length: levels }, () => 0x91), 0x00]);
}

function wide(fields: number): Uint8Array {
  return Uint8Array.from([0xdc, 0, fields, ...new Uint8Array(fields)]);
}

describe("frameEnd", () => {
  test("agrees with the plain reader on where frames end, what is refused, and what it says", () => {
    const random = new Random(seed);
    let accepted = 0;
    const rounds = 20_000;
    for (let round = 0; round < rounds; round++) {
      const before = random.below(3);
      const bytes = Buffer.concat([
        random.bytes(before),
        randomFrame(random),
        random.bytes(random.below(3)),
      ]);
      const plain = plainEnd(bytes, before);
      const end = guardedEnd(bytes, before);
      expect([bytes.toString("hex"), before, end]).toEqual([
        bytes.toString("hex"),
        before,
        plain?.end ?? null,
      ]);
      if (plain === null || end === null) continue;
      accepted++;
      expect(decodeBinary(bytes, before, end)).toEqual(plain.value as unknown[]);
    }
    // A generator that makes nothing but one kind would prove nothing.
    expect(accepted).toBeGreaterThan(rounds / 4);
    expect(accepted).toBeLessThan(rounds * 0.95);
  });

  test("refuses every frame cut short, wherever it is cut", () => {
    const random = new Random(seed);
    for (let round = 0; round < 500; round++) {
      const bytes = randomFrame(random);
      const end = guardedEnd(bytes, 0);
      if (end === null) continue;
      for (let length = 0; length < end; length++) {
        expect(guardedEnd(bytes.slice(0, length), 0)).toBeNull();
      }
    }
  });

  test("minds the end it is given, not that of the array", () => {
    const bytes = Uint8Array.fromHex("93061200");
    expect(frameEnd(bytes, 0, 4, 4, 16)).toBe(4);
    for (const end of [1, 2, 3]) {
      expect(() => frameEnd(bytes, 0, end, 4, 16)).toThrow("cut short");
    }
  });

  test("lets through exactly as many levels and fields as it is told", () => {
    for (const levels of [1, 2, 4, 8]) {
      expect(frameEnd(nested(levels), 0, levels + 1, levels, 16)).toBe(levels + 1);
      expect(() => frameEnd(nested(levels + 1), 0, levels + 2, levels, 16)).toThrow("too deep");
    }
    expect(frameEnd(wide(16), 0, 19, 4, 16)).toBe(19);
    expect(() => frameEnd(wide(17), 0, 20, 4, 16)).toThrow("at most 16 fields");
  });

  test("finds a lie about a length before it walks or allocates", () => {
    const random = new Random(seed);
    for (const format of ["dd", "df", "dc", "de"]) {
      const size = format === "dd" || format === "df" ? "ffffffff" : "ffff";
      const bytes = Buffer.concat([
        Buffer.from(`9306${format}${size}`, "hex"),
        // Nils to walk over for as long as anybody likes.
        Buffer.alloc(random.between(1, 60_000), 0xc0),
      ]);
      expect(guardedEnd(bytes, 0)).toBeNull();
    }
  });
});

test("an unsigned integer of any width is read as it is", () => {
  const random = new Random(seed);
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0xcf;
  for (let round = 0; round < 5000; round++) {
    const value = arbitraryUint(random);
    view.setBigUint64(1, BigInt(value));
    expect(new FrameReader(bytes).uint()).toBe(value);
  }
});
