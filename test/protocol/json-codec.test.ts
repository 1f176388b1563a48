import { describe, expect, test } from "bun:test";

import type { RawFrame } from "../../protocol/codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec, jsonPayload } from "../../protocol/json-codec.ts";

const codec = new JsonCodec();
const badFrame = expect.objectContaining({
  name: "ProtocolError",
  isFatal: true,
  info: expect.objectContaining({ name: "bad_frame" }),
});

function decodeAll(message: string): RawFrame[] {
  const frames: RawFrame[] = [];
  codec.decode(message, (frame) => frames.push(frame));
  return frames;
}

test("joins frames a line each and splits them again, in order", () => {
  const frames: Frame[] = [
    [6, 1, 0],
    [2, 3, "a", ["epoch", 5], 0],
  ];
  const message = codec.join(frames.map((frame) => codec.encode(frame)));
  expect(message).toBe('[6,1,0]\n[2,3,"a",["epoch",5],0]');
  expect(decodeAll(message)).toEqual(frames as unknown as RawFrame[]);
});

test("visits the frames before one that does not parse", () => {
  const seen: RawFrame[] = [];
  expect(() => codec.decode("[6,1]\n[6,2]\nx\n[6,3]", (frame) => seen.push(frame))).toThrow(
    badFrame,
  );
  expect(seen).toEqual([
    [6, 1],
    [6, 2],
  ]);
});

test("a line break within a payload does not end the line", () => {
  const line = codec.encode([4, 1, "a", new TextEncoder().encode("x\ny\r\u2028")]);
  expect(line).not.toContain("\n");
  expect(decodeAll(line)).toEqual([[4, 1, "a", "x\ny\r\u2028"]]);
});

test.each([
  "",
  "\n",
  "[6,1]\n",
  "\n[6,1]",
  "null",
  "6",
  '"[6]"',
  "{}",
  "[]",
  "[6",
  "[6,1],",
  "[6,1]x",
])("refuses %j", (message) => {
  expect(() => decodeAll(message)).toThrow(badFrame);
});

describe("payloads", () => {
  test.each([
    ["text", "68656c6c6f", "hello"],
    ["nothing", "", ""],
    ["a byte order mark", "efbbbf61", "\ufeffa"],
    ["a nul", "00", "\u0000"],
    ["four bytes a character", "f09f9880", "😀"],
    ["a lone continuation", "80", { b64: "gA==" }],
    ["an overlong slash", "c0af", { b64: "wK8=" }],
    ["a surrogate", "eda080", { b64: "7aCA" }],
    ["a character cut short", "e282", { b64: "4oI=" }],
    ["beyond the last character", "f4908080", { b64: "9JCAgA==" }],
  ])("%s", (_, hex, expected) => {
    expect(jsonPayload(Uint8Array.fromHex(hex))).toEqual(expected);
  });

  test("come back as the bytes they were, all that one byte can be", () => {
    for (let byte = 0; byte <= 0xff; byte++) {
      const payload = jsonPayload(Uint8Array.of(byte));
      const back =
        typeof payload === "string"
          ? new TextEncoder().encode(payload)
          : Uint8Array.fromBase64(payload.b64);
      expect([byte, ...back]).toEqual([byte, byte]);
    }
  });
});

test("objects are Maps, so no key can reach a prototype", () => {
  const [frame] = decodeAll('[6,{"__proto__":{"polluted":1},"a":2}]');
  expect(frame?.[1]).toEqual(
    new Map<string, unknown>([
      ["__proto__", new Map([["polluted", 1]])],
      ["a", 2],
    ]),
  );
  expect("polluted" in {}).toBe(false);
});

test("maps leave as objects, with any key", () => {
  const line = codec.encode([5, new Map([["__proto__", "x"]])]);
  expect(line).toBe('[5,{"__proto__":"x"}]');
});

function nested(levels: number): string {
  return "[".repeat(levels) + 6 + "]".repeat(levels);
}

function wide(fields: number): string {
  return `[${Array.from({ length: fields }, () => 6).join()}]`;
}

test("lets through exactly as many levels and fields as it is told", () => {
  expect(decodeAll(nested(4))).toHaveLength(1);
  expect(() => decodeAll(nested(5))).toThrow(badFrame);
  expect(() => decodeAll('[6,[[[{"a":1}]]]]')).toThrow(badFrame);
  expect(decodeAll(wide(16))).toHaveLength(1);
  expect(() => decodeAll(wide(17))).toThrow(badFrame);
  new JsonCodec(5, 17).decode(nested(5), () => {});
  new JsonCodec(5, 17).decode(wide(17), () => {});
});

test("nesting a hundred thousand deep is refused like any other", () => {
  for (const message of ["[".repeat(100_000), "[".repeat(100_000) + "]".repeat(100_000)]) {
    expect(() => decodeAll(message)).toThrow(badFrame);
  }
});
