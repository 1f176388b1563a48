import { describe, expect, test } from "bun:test";

import { BinaryCodec, decodeBinary, encodeBinary } from "../../protocol/binary-codec.ts";
import type { RawFrame } from "../../protocol/codec.ts";
import type { Frame } from "../../protocol/frame.ts";

const codec = new BinaryCodec();
const badFrame = expect.objectContaining({
  name: "ProtocolError",
  isFatal: true,
  info: expect.objectContaining({ name: "bad_frame" }),
});

function decodeAll(message: Uint8Array): RawFrame[] {
  const frames: RawFrame[] = [];
  codec.decode(message, (frame) => frames.push(frame));
  return frames;
}

const frames: Frame[] = [
  [6, 1, 0],
  [4, 2, "a", new Uint8Array(3)],
  [2, 3, "a", ["epoch", 5], 0],
];

test("joins frames back to back and splits them again, in order", () => {
  const encoded = frames.map((frame) => codec.encode(frame));
  const message = codec.join(encoded);
  expect(Buffer.from(message)).toEqual(Buffer.concat(encoded));
  expect(decodeAll(message)).toEqual(frames as unknown as RawFrame[]);
  expect(codec.join([])).toHaveLength(0);
});

test("visits the frames before one that does not parse", () => {
  const message = Buffer.concat([...frames.map((frame) => codec.encode(frame)), Buffer.of(0xc1)]);
  const seen: RawFrame[] = [];
  expect(() => codec.decode(message, (frame) => seen.push(frame))).toThrow(badFrame);
  expect(seen).toEqual(frames as unknown as RawFrame[]);
});

test("refuses an empty message", () => {
  expect(() => decodeAll(new Uint8Array(0))).toThrow(badFrame);
});

test("passes on what the visitor throws", () => {
  const own = new RangeError("of the visitor");
  const visit = (): never => {
    throw own;
  };
  expect(() => codec.decode(encodeBinary([6, 1, 0]), visit)).toThrow(own);
});

describe("the bytes it gives out", () => {
  test("of encode are not changed by what is encoded next", () => {
    const first = codec.encode([4, 1, "a", Uint8Array.of(1, 2, 3)]);
    const copy = Uint8Array.from(first);
    for (let i = 0; i < 100; i++) codec.encode([4, i, "b".repeat(i), new Uint8Array(i)]);
    expect(Uint8Array.from(first)).toEqual(copy);
    // It may be transferred or kept: nothing else lives in its buffer.
    expect(first.buffer.byteLength).toBe(first.length);
  });

  test.each([
    ["Uint8Array", (bytes: Uint8Array) => Uint8Array.from(bytes)],
    ["Buffer", (bytes: Uint8Array) => Buffer.from(bytes)],
    [
      "Buffer in a pool",
      (bytes: Uint8Array) => Buffer.concat([Buffer.alloc(9), bytes]).subarray(9),
    ],
  ])("of decode are not changed with the message they were in (%s)", (_, make) => {
    const message = make(encodeBinary([4, 1, "a", Uint8Array.of(1, 2, 3)]));
    const [frame] = decodeAll(message);
    message.fill(0);
    expect(frame).toEqual([4, 1, "a", Uint8Array.of(1, 2, 3)]);
  });

  test("of decode hold on to no more memory than the frame", () => {
    const small = encodeBinary([4, 1, "a", new Uint8Array(8)]);
    const large = encodeBinary([4, 2, "a", new Uint8Array(60_000)]);
    const [frame = []] = decodeAll(Buffer.concat([small, large]));
    expect((frame[3] as Uint8Array).buffer.byteLength).toBeLessThanOrEqual(small.length);
  });
});

test("integers above 2^32 leave as msgpack integers, at any depth", () => {
  const bytes = encodeBinary([7, 2 ** 32, [2 ** 40, [Number.MAX_SAFE_INTEGER]]]);
  expect(bytes.toHex()).toBe("9307d3000000010000000092d3000001000000000091d3001fffffffffffff");
  expect(decodeAll(bytes)).toEqual([[7, 2 ** 32, [2 ** 40, [Number.MAX_SAFE_INTEGER]]]]);
});

test("integers no double can hold do not pass for others that one can", () => {
  for (const hex of ["92 06 cf0020000000000001", "92 06 cfffffffffffffffff"]) {
    const [frame] = decodeAll(Uint8Array.fromHex(hex.replaceAll(" ", "")));
    expect(Number.isSafeInteger(frame?.[1])).toBe(false);
  }
});

test("maps are Maps, so no key can reach a prototype", () => {
  const bytes = Uint8Array.fromHex("9206 81 a9 5f5f70726f746f5f5f 01".replaceAll(" ", ""));
  const [frame] = decodeAll(bytes);
  expect(frame?.[1]).toEqual(new Map([["__proto__", 1]]));
});

test("strings that are not UTF-8 are read with replacement characters, the same at any length", () => {
  for (const prefix of ["", "a".repeat(10), "a".repeat(40), "a".repeat(300)]) {
    const text = Buffer.concat([Buffer.from(prefix), Buffer.of(0xc3, 0x28, 0xff)]);
    const head = Buffer.of(0x92, 0x06, 0xda, text.length >> 8, text.length & 0xff);
    expect(decodeAll(Buffer.concat([head, text]))).toEqual([[6, `${prefix}\ufffd(\ufffd`]]);
  }
});

test("limits of depth and fields are those it was made with", () => {
  const deep = encodeBinary([1, [[[[[[[0]]]]]]]]);
  expect(() => decodeAll(deep)).toThrow(badFrame);
  const seen: RawFrame[] = [];
  new BinaryCodec(8, 2).decode(deep, (frame) => seen.push(frame));
  expect(seen).toHaveLength(1);
  expect(() => new BinaryCodec(8, 1).decode(deep, () => {})).toThrow(badFrame);
});

test("decodeBinary answers bytes that are no frame with a bad frame, even unguarded", () => {
  for (const hex of ["c0", "05", "81a16101", "93", "a5616263"]) {
    const bytes = Uint8Array.fromHex(hex);
    expect(() => decodeBinary(bytes, 0, bytes.length)).toThrow(badFrame);
  }
});
