import { afterAll, describe, test } from "bun:test";

import {
  opcodeOf,
  payloadForMessageOf,
  publishMessage,
  Rfc6455Cases,
} from "../support/rfc6455-case.ts";
import { chopped, wsFragments, wsFrame, WsOpcode } from "../support/websocket-frames.ts";

/*
 * RFC 6455 from the outside, in the order of its well-known test groups: 1 framing, 2 pings and pongs,
 * 3 reserved bits, 4 opcodes, 5 fragmentation. Groups 6 and 7 are in rfc6455-text-and-close.test.ts. Every case
 * runs against a real broker, in both formats.
 */

const PROTOCOL_ERROR = 1002;

const cases = await Rfc6455Cases.start({
  maxMessageBytes: 1024 * 1024,
  maxPayloadBytes: 512 * 1024,
});
afterAll(() => cases[Symbol.asyncDispose]());

const formats = ["msgpack", "json"] as const;
const PING_125 = new Uint8Array(125).fill(0xfe);

/** The hexadecimal digits of an opcode. */
function hexDigit(opcode: number): string {
  return opcode.toString(16);
}

describe.each(formats)("%s", (format) => {
  const opcode = opcodeOf(format);

  /** A whole message that publishes the text. */
  function publish(text: string): Uint8Array {
    return wsFrame(opcode, publishMessage(format, text));
  }

  /** The message that publishes `text`, in `count` pieces of about the same size. */
  function pieces(text: string, count: number): Uint8Array[] {
    const message = publishMessage(format, text);
    return chopped(message, Math.ceil(message.length / count));
  }

  describe("1 framing", () => {
    // The smallest message that publishes anything; shorter ones cannot be a frame of the protocol.
    test.each([32, 124, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 65_537, 200_000])(
      "a message of %i bytes",
      async (size) => {
        const payload = payloadForMessageOf(format, size);
        const message = publishMessage(format, payload);
        await cases.expect(format, [wsFrame(opcode, message)], { echoes: [payload] });
      },
    );

    test("a message of 65536 bytes that arrives 997 bytes at a time", async () => {
      const payload = payloadForMessageOf(format, 65_536);
      const message = wsFrame(opcode, publishMessage(format, payload));
      await cases.expect(format, chopped(message, 997), { echoes: [payload] });
    });

    test("many messages that arrive at once", async () => {
      const texts = Array.from({ length: 200 }, (_, i) => `message ${i}`);
      const bytes = Buffer.concat(texts.map(publish));
      await cases.expect(format, [bytes], { echoes: texts });
    });

    test("many messages that arrive cut anywhere", async () => {
      const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
      const bytes = Buffer.concat(texts.map(publish));
      await cases.expect(format, chopped(bytes, 7), { echoes: texts });
    });

    test("a length in more bits than it needs", async () => {
      const message = publishMessage(format, "long-winded");
      for (const lengthBits of [16, 64] as const) {
        const frame = wsFrame(opcode, message, { lengthBits });
        await cases.expect(format, [frame], { echoes: ["long-winded"] });
      }
    });

    test("a mask of zeros", async () => {
      const frame = wsFrame(opcode, publishMessage(format, "bare"), { mask: new Uint8Array(4) });
      await cases.expect(format, [frame], { echoes: ["bare"] });
    });

    test("a frame without a mask", async () => {
      const frame = wsFrame(opcode, publishMessage(format, "x"), { masked: false });
      await cases.expect(format, [publish("before"), frame, publish("after")], {
        echoes: ["before"],
        close: PROTOCOL_ERROR,
      });
    });

    test("a message larger than the broker takes, found by what it claims", async () => {
      for (const claimedLength of [1024 * 1024 + 1, 2 ** 40, 2n ** 63n - 1n]) {
        const frame = wsFrame(opcode, "", { claimedLength });
        await cases.expect(format, [frame, new Uint8Array(64)], { close: 1009 });
      }
    });

    test("a message larger than the broker takes, in fragments", async () => {
      const piece = new Uint8Array(400 * 1024).fill(0x20);
      await cases.expect(format, wsFragments(opcode, [piece, piece, piece]), { close: 1009 });
    });

    test("a length with the highest bit set", async () => {
      const frame = wsFrame(opcode, "", { claimedLength: 2n ** 63n + 5n });
      await cases.expect(format, [frame, new Uint8Array(64)], { close: 1009 });
    });
  });

  describe("2 pings and pongs", () => {
    test.each([
      ["nothing", ""],
      ["text", "Hello, broker"],
      ["bytes that are not text", Uint8Array.of(0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00)],
      ["125 bytes", PING_125],
    ])("a ping of %s gets a pong of the same", async (_, payload) => {
      await cases.expect(format, [wsFrame(WsOpcode.ping, payload)], { pongs: [payload] });
    });

    test("a ping of 126 bytes", async () => {
      await cases.expect(format, [wsFrame(WsOpcode.ping, new Uint8Array(126))], {
        close: PROTOCOL_ERROR,
      });
    });

    test("a ping that arrives byte by byte", async () => {
      await cases.expect(format, chopped(wsFrame(WsOpcode.ping, PING_125), 1), {
        pongs: [PING_125],
      });
    });

    test("a pong nobody asked for, with and without a payload", async () => {
      const sent = [wsFrame(WsOpcode.pong), wsFrame(WsOpcode.pong, "unasked")];
      await cases.expect(format, sent, {});
    });

    test("a pong nobody asked for does not stand in the way of a ping", async () => {
      const sent = [wsFrame(WsOpcode.pong, "unasked"), wsFrame(WsOpcode.ping, "asked")];
      await cases.expect(format, sent, { pongs: ["asked"] });
    });

    test("ten pings, at once and byte by byte", async () => {
      const payloads = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
      const bytes = Buffer.concat(payloads.map((payload) => wsFrame(WsOpcode.ping, payload)));
      await cases.expect(format, [bytes], { pongs: payloads });
      await cases.expect(format, chopped(bytes, 1), { pongs: payloads });
    });
  });

  describe("3 reserved bits", () => {
    test.each([1, 2, 3, 4, 5, 6, 7])("%i on a message", async (rsv) => {
      const frame = wsFrame(opcode, publishMessage(format, "x"), { rsv });
      await cases.expect(format, [publish("before"), frame, wsFrame(WsOpcode.ping)], {
        echoes: ["before"],
        close: PROTOCOL_ERROR,
      });
    });

    test.each([
      ["ping", WsOpcode.ping],
      ["pong", WsOpcode.pong],
      ["close", WsOpcode.close],
    ])("on a %s", async (_, control) => {
      await cases.expect(format, [publish("before"), wsFrame(control, "", { rsv: 7 })], {
        echoes: ["before"],
        close: PROTOCOL_ERROR,
      });
    });

    test("arriving byte by byte", async () => {
      const bytes = Buffer.concat([publish("before"), wsFrame(opcode, "x", { rsv: 4 })]);
      await cases.expect(format, chopped(bytes, 1), {
        echoes: ["before"],
        close: PROTOCOL_ERROR,
      });
    });
  });

  describe("4 opcodes that mean nothing", () => {
    test.each([3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf].map(hexDigit))("0x%s", async (digit) => {
      const reserved = Number.parseInt(digit, 16);
      for (const payload of ["", "and then some"]) {
        const sent = [publish("before"), wsFrame(reserved, payload), wsFrame(WsOpcode.ping)];
        await cases.expect(format, sent, { echoes: ["before"], close: PROTOCOL_ERROR });
      }
    });
  });

  describe("5 fragmentation", () => {
    test.each([
      ["ping", WsOpcode.ping],
      ["pong", WsOpcode.pong],
      ["close", WsOpcode.close],
    ])("a %s in fragments", async (_, control) => {
      await cases.expect(format, wsFragments(control, ["frag", "ment"]), {
        close: PROTOCOL_ERROR,
      });
    });

    test.each([2, 3, 20])("a message in %i fragments or so", async (count) => {
      const frames = wsFragments(opcode, pieces("fragmented", count));
      await cases.expect(format, frames, { echoes: ["fragmented"] });
      await cases.expect(format, [Buffer.concat(frames)], { echoes: ["fragmented"] });
      await cases.expect(format, chopped(Buffer.concat(frames), 1), { echoes: ["fragmented"] });
    });

    test("empty fragments among others", async () => {
      const [first = new Uint8Array(0), second = new Uint8Array(0)] = pieces("with holes", 2);
      const frames = wsFragments(opcode, ["", first, "", "", second, ""]);
      await cases.expect(format, frames, { echoes: ["with holes"] });
    });

    test("pings between the fragments of a message are answered at once", async () => {
      const frames = wsFragments(opcode, pieces("interrupted", 5));
      const sent = frames.flatMap((frame, i) => [frame, wsFrame(WsOpcode.ping, `ping ${i}`)]);
      const pongs = frames.map((_, i) => `ping ${i}`);
      await cases.expect(format, sent, { echoes: ["interrupted"], pongs });
      await cases.expect(format, chopped(Buffer.concat(sent), 1), {
        echoes: ["interrupted"],
        pongs,
      });
    });

    test.each([true, false])("a continuation of nothing, final: %p", async (fin) => {
      const stray = wsFrame(WsOpcode.continuation, "stray", { fin });
      await cases.expect(format, [publish("before"), stray, publish("after")], {
        echoes: ["before"],
        close: PROTOCOL_ERROR,
      });
    });

    test("a continuation of a message that has ended", async () => {
      const whole = wsFragments(opcode, pieces("whole", 2));
      const stray = wsFrame(WsOpcode.continuation, "stray", { fin: false });
      await cases.expect(format, [...whole, stray, publish("after")], {
        echoes: ["whole"],
        close: PROTOCOL_ERROR,
      });
    });

    test("a new message before the last one has ended", async () => {
      const [first = new Uint8Array(0)] = wsFragments(opcode, pieces("unfinished", 2));
      await cases.expect(format, [first, publish("pushy")], { close: PROTOCOL_ERROR });
    });
  });
});
