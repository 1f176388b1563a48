import { describe, expect, test } from "bun:test";

import { BinaryCodec, encodeBinary } from "../../protocol/binary-codec.ts";
import type { RawFrame } from "../../protocol/codec.ts";
import { decodeCommand } from "../../protocol/command.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS, MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import { decodePublication, writePublication } from "../../protocol/messages/publication.ts";
import { decodePublish, writePublish, writePublished } from "../../protocol/messages/publish.ts";
import { Op } from "../../protocol/op.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import { staleVectorFiles } from "../../tools/vectors.ts";
import { encodeCommand, encodeServerFrame } from "../support/encode-any.ts";
import { jsonForm } from "../support/plain-json.ts";
import type { JsonForm } from "../support/plain-json.ts";
import { plainFrames } from "../support/plain-msgpack.ts";
import { loadVectors } from "../support/vector-files.ts";

const LIMITS = {
  "to-broker": { maxDepth: MAX_COMMAND_DEPTH, maxFields: MAX_COMMAND_FIELDS },
  "to-client": { maxDepth: MAX_PUSH_DEPTH, maxFields: 16 },
} as const;

type Direction = keyof typeof LIMITS;

const vectors = await loadVectors();
const golden = [...vectors.commands, ...vectors.serverFrames];

function decodeHex(hex: string, direction: Direction): RawFrame[] {
  const { maxDepth, maxFields } = LIMITS[direction];
  const frames: RawFrame[] = [];
  new BinaryCodec(maxDepth, maxFields).decode(Uint8Array.fromHex(hex), (frame) =>
    frames.push(frame),
  );
  return frames;
}

function decodeText(text: string, direction: Direction): RawFrame[] {
  const { maxDepth, maxFields } = LIMITS[direction];
  const frames: RawFrame[] = [];
  new JsonCodec(maxDepth, maxFields).decode(text, (frame) => frames.push(frame));
  return frames;
}

function withFormat<Vector extends { hex?: string }>(vector: Vector) {
  return { ...vector, format: vector.hex === undefined ? "JSON" : "msgpack" };
}

/** The frame's meaning: its typed form, with results left as they are. */
function meaning(frame: RawFrame, direction: Direction): unknown {
  return direction === "to-broker" ? decodeCommand(frame) : decodeServerFrame(frame);
}

/** Reads a frame and writes it anew. */
function rewritten(frame: RawFrame, direction: Direction): Frame {
  if (direction === "to-broker") return encodeCommand(decodeCommand(frame));
  const decoded = decodeServerFrame(frame);
  if (decoded === null) throw new Error("an op of this version was not known");
  return encodeServerFrame(decoded);
}

/** The bytes the hand codec writes for a frame, or null when it is not one of its own. */
function handWritten(frame: RawFrame): Uint8Array | null {
  const bytes = new Uint8Array(70_000);
  if (frame[0] === Op.publish) {
    const { id, channel, payload } = decodePublish(frame);
    return bytes.subarray(0, writePublish(bytes, 0, id, channel, payload));
  }
  if (frame[0] === Op.publication) {
    const { channelId, offset, payload } = decodePublication(frame);
    const { length } = payload;
    return bytes.subarray(
      0,
      writePublication(bytes, 0, channelId, offset, payload, 0, length, null),
    );
  }
  const result = frame[2];
  if (
    frame[0] === Op.ok &&
    Array.isArray(result) &&
    typeof result[1] === "string" &&
    result.length === 2
  ) {
    const [offset, epoch] = result as [number, string];
    return bytes.subarray(0, writePublished(bytes, 0, frame[1] as number, offset, epoch));
  }
  return null;
}

test("the vector files are what the code writes", async () => {
  expect(await staleVectorFiles()).toEqual([]);
});

test("every op of the protocol has a vector", () => {
  const ops = new Set(golden.map(({ frame }) => frame[0] as number));
  expect([...ops].toSorted((a, b) => a - b)).toEqual(Object.values(Op));
});

test("names of vectors are unique within a direction and form", () => {
  const names = golden.map(({ name, direction }) => `${direction} ${name}`);
  expect(new Set(names).size).toBe(names.length);
});

describe.each(golden)("$direction: $name", ({ direction, frame, hex, json }) => {
  test("a plain msgpack reader finds the frame in the bytes", () => {
    const frames = plainFrames(Uint8Array.fromHex(hex), LIMITS[direction]);
    expect(frames.map((one) => jsonForm(one, "base64"))).toEqual([frame]);
  });

  test("the JSON line is the frame with text for bytes that are text", () => {
    const [plain] = plainFrames(Uint8Array.fromHex(hex), LIMITS[direction]);
    expect(json).toBe(JSON.stringify(jsonForm(plain ?? null, "wire")));
  });

  test("both codecs read the same meaning", () => {
    const [fromBinary] = decodeHex(hex, direction);
    const [fromText] = decodeText(json, direction);
    const ofBinary = meaning(fromBinary ?? [], direction);
    // A result is decoded only by the command it answers, so its payloads differ in form here.
    if (frame[0] === Op.ok) expect(fromText?.slice(0, 2)).toEqual(fromBinary?.slice(0, 2) ?? []);
    else expect(meaning(fromText ?? [], direction)).toEqual(ofBinary);
  });

  test("both codecs write it so again", () => {
    const [raw = []] = decodeHex(hex, direction);
    const again = rewritten(raw, direction);
    expect((handWritten(raw) ?? encodeBinary(again)).toHex()).toBe(hex);
    expect(new JsonCodec().encode(again)).toBe(json);
    const [plain = []] = plainFrames(encodeBinary(again), LIMITS[direction]);
    expect(jsonForm(plain, "base64")).toEqual(frame);
  });
});

describe.each(vectors.messages)("$direction: $name", ({ direction, frames, hex, json }) => {
  test("holds these frames in both formats", () => {
    const plain = plainFrames(Uint8Array.fromHex(hex), LIMITS[direction]);
    expect(plain.map((one) => jsonForm(one, "base64"))).toEqual(frames);
    expect(decodeHex(hex, direction)).toHaveLength(frames.length);
    const lines = json.split("\n").map((line) => JSON.parse(line) as JsonForm);
    expect(lines).toEqual(plain.map((one) => jsonForm(one, "wire")));
    expect(decodeText(json, direction)).toHaveLength(frames.length);
  });
});

describe.each(vectors.accepted)(
  "accepted: $name ($hex$json)",
  ({ direction, hex, json, means }) => {
    test("means the canonical frame", () => {
      const frames =
        hex === undefined ? decodeText(json ?? "", direction) : decodeHex(hex, direction);
      expect(frames).toHaveLength(1);
      const [plain] = plainFrames(
        encodeBinary(rewritten(frames[0] ?? [], direction)),
        LIMITS[direction],
      );
      expect(jsonForm(plain ?? null, "base64")).toEqual(means);
    });
  },
);

describe.each(vectors.large)("$name", ({ hex, fill, jsonBefore, jsonAfter }) => {
  const payload = new Uint8Array(fill.count).fill(Number.parseInt(fill.byte, 16));

  test("is read and written in binary", () => {
    const bytes = Buffer.concat([Buffer.from(hex, "hex"), payload]);
    const frames: RawFrame[] = [];
    new BinaryCodec().decode(bytes, (frame) => frames.push(frame));
    const [frame = []] = frames;
    expect(Buffer.from(decodePublish(frame).payload).equals(payload)).toBe(true);
    expect(Buffer.from(handWritten(frame) ?? []).equals(bytes)).toBe(true);
  });

  test("is read and written in JSON", () => {
    const line = jsonBefore + Buffer.from(payload).toString("latin1") + jsonAfter;
    const [frame = []] = decodeText(line, "to-broker");
    expect(new JsonCodec().encode(encodeCommand(decodeCommand(frame))) === line).toBe(true);
  });
});

describe.each(vectors.invalid.map(withFormat))("refused in $format: $name", (vector) => {
  test("with the code, the id and the effect it says", () => {
    const decode = (): void => {
      const frames =
        vector.hex === undefined
          ? decodeText(vector.json ?? "", "to-broker")
          : decodeHex(vector.hex, "to-broker");
      for (const frame of frames) decodeCommand(frame);
    };
    expect(decode).toThrow(
      expect.objectContaining({
        name: "ProtocolError",
        info: expect.objectContaining({ code: vector.code, name: vector.codeName }),
        requestId: vector.requestId,
        isFatal: vector.fatal,
      }),
    );
  });
});
