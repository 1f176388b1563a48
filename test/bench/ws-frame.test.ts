import { expect, test } from "bun:test";

import {
  clientFrame,
  clientHeaderSize,
  FrameScanner,
  WsOpcode,
} from "../../bench/load/ws-frame.ts";
import { announceSeed, Random } from "../support/random.ts";

const random = new Random(announceSeed("ws frames"));

/** Lengths at which the header changes its form. */
const EDGES = [0, 1, 125, 126, 127, 65_535, 65_536];

/** What a server would send, written plainly from RFC 6455 section 5.2. */
function serverFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header.writeUInt8(0x80 | opcode, 0);
  header.writeUInt8(length < 126 ? length : length < 65_536 ? 126 : 127, 1);
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

/** Collects what a scanner finds as `[opcode, payload in hex]`; a data message has opcode 2. */
function collector() {
  const found: [number, string][] = [];
  return {
    found,
    message: (bytes: Uint8Array, start: number, end: number) =>
      void found.push([WsOpcode.binary, Buffer.from(bytes.subarray(start, end)).toString("hex")]),
    control: (opcode: number, payload: Uint8Array) =>
      void found.push([opcode, Buffer.from(payload).toString("hex")]),
  };
}

function scanAll(chunks: readonly Uint8Array[]): [number, string][] {
  const scanner = new FrameScanner();
  const visitor = collector();
  for (const chunk of chunks) scanner.push(chunk, visitor);
  return visitor.found;
}

test("finds the same frames wherever the stream is cut", () => {
  for (let round = 0; round < 200; round++) {
    const sent: [number, string][] = [];
    const frames: Buffer[] = [];
    for (let i = random.between(1, 12); i > 0; i--) {
      const isControl = random.chance(0.2);
      const opcode = isControl ? random.pick([WsOpcode.ping, WsOpcode.pong]) : WsOpcode.binary;
      const length = random.chance(0.1) ? random.pick(EDGES) : random.below(200);
      const payload = random.bytes(isControl ? Math.min(length, 125) : length);
      frames.push(serverFrame(opcode, payload));
      sent.push([opcode, Buffer.from(payload).toString("hex")]);
    }
    const stream = Buffer.concat(frames);
    const chunks: Buffer[] = [];
    for (let at = 0; at < stream.length;) {
      const size = random.chance(0.3) ? random.between(1, 4) : random.between(1, stream.length);
      chunks.push(stream.subarray(at, at + size));
      at += size;
    }
    expect(scanAll(chunks)).toEqual(sent);
  }
});

test("finds frames that arrive byte by byte", () => {
  const payloads = EDGES.slice(0, 5).map((length) => random.bytes(length));
  const stream = Buffer.concat(payloads.map((payload) => serverFrame(WsOpcode.binary, payload)));
  const bytes = Array.from(stream, (_, i) => stream.subarray(i, i + 1));
  expect(scanAll(bytes)).toEqual(
    payloads.map((payload) => [WsOpcode.binary, Buffer.from(payload).toString("hex")]),
  );
});

test("refuses fragments and masked frames", () => {
  expect(() => scanAll([Buffer.from([0x02, 0])])).toThrow("cannot read");
  expect(() => scanAll([Buffer.from([0x80, 0])])).toThrow("cannot read");
  expect(() => scanAll([Buffer.from([0x82, 0x80, 0, 0, 0, 0])])).toThrow("masked");
});

test("a client frame is a masked frame whose key is zero", () => {
  for (const length of EDGES) {
    const payload = random.bytes(length);
    const frame = clientFrame(WsOpcode.binary, payload);
    const plain = serverFrame(WsOpcode.binary, payload);
    const headerBytes = plain.length - length;
    const expected = Buffer.concat([
      plain.subarray(0, headerBytes),
      Buffer.alloc(4),
      plain.subarray(headerBytes),
    ]);
    expected.writeUInt8(expected.readUInt8(1) | 0x80, 1);
    expect(Buffer.from(frame).equals(expected)).toBe(true);
    expect(clientHeaderSize(length)).toBe(headerBytes + 4);
  }
});
