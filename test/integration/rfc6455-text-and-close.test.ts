import { afterAll, describe, test } from "bun:test";

import { opcodeOf, publishMessage, rawTextMessage, Rfc6455Cases } from "../support/rfc6455-case.ts";
import {
  chopped,
  closePayload,
  wsFragments,
  wsFrame,
  WsOpcode,
} from "../support/websocket-frames.ts";

/* Groups 6 (UTF-8) and 7 (closing) of the cases in rfc6455.test.ts. */

const PROTOCOL_ERROR = 1002;
const NOT_UTF8 = 1007;

const cases = await Rfc6455Cases.start({
  maxMessageBytes: 1024 * 1024,
  maxPayloadBytes: 512 * 1024,
});
afterAll(() => cases[Symbol.asyncDispose]());

function bytes(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex.replaceAll(" ", ""));
}

function close(code: number, reason: Uint8Array | string = ""): Uint8Array {
  return wsFrame(WsOpcode.close, closePayload(code, reason));
}

describe("6 UTF-8 in text messages", () => {
  const { text } = WsOpcode;

  test.each([
    ["a text of several scripts", "Hello-µ@ßöäüàá-UTF-8!! κόσμε"],
    ["the first of each length", "\u0000 \u0080 \u0800 \u{10000}"],
    ["the last of each length", "\u007f \u07ff \uffff \u{10ffff}"],
    ["the neighbours of the surrogates", "\ud7ff \ue000 \ufffd"],
    ["characters that are none", "\ufffe \uffff \u{1fffe} \u{1ffff} \u{10fffe}"],
    ["a byte order mark", "\ufeffx"],
  ])("%s, whole, in fragments and byte by byte", async (_, payload) => {
    const message = publishMessage("json", payload);
    const echoes = [payload];
    await cases.expect("json", [wsFrame(text, message)], { echoes });
    // Every character of more than one byte is cut in two somewhere.
    await cases.expect("json", wsFragments(text, chopped(message, 1)), { echoes });
    await cases.expect("json", chopped(wsFrame(text, message), 1), { echoes });
  });

  test("fragments that are all empty are an empty message, which is a bad frame", async () => {
    await cases.expect("json", wsFragments(text, ["", "", ""]), { close: 4000 });
    await cases.expect("msgpack", wsFragments(WsOpcode.binary, ["", ""]), { close: 4000 });
  });

  test.each([
    ["a lone continuation, the first", "80"],
    ["a lone continuation, the last", "bf"],
    ["seven continuations", "80bf80bf80bf80"],
    ["a start of two bytes, alone", "c320"],
    ["a start of three bytes, alone", "e020"],
    ["a start of four bytes, alone", "f020"],
    ["two bytes, cut short", "df"],
    ["three bytes, cut short", "efbf"],
    ["four bytes, cut short", "f7bfbf"],
    ["all of them cut short in a row", "c0e080f08080f8808080"],
    ["a byte that never occurs, fe", "fe"],
    ["a byte that never occurs, ff", "ff"],
    ["a slash in two bytes", "c0af"],
    ["a slash in three bytes", "e080af"],
    ["a slash in four bytes", "f08080af"],
    ["a slash in five bytes", "f8808080af"],
    ["the largest overlong of two bytes", "c1bf"],
    ["the largest overlong of three bytes", "e09fbf"],
    ["the largest overlong of four bytes", "f08fbfbf"],
    ["a nul in two bytes", "c080"],
    ["the first surrogate", "eda080"],
    ["the last surrogate", "edbfbf"],
    ["a pair of surrogates", "eda080edb080"],
    ["the first beyond the last character", "f4908080"],
    ["five bytes", "f888808080"],
    ["six bytes", "fc8480808080"],
    ["good text around a surrogate", "cebae1bdb9cf83cebcceb5eda080656469746564"],
  ])("refuses %s", async (_, hex) => {
    const message = rawTextMessage(bytes(hex));
    await cases.expect("json", [wsFrame(text, message)], { close: NOT_UTF8 });
    await cases.expect("json", wsFragments(text, chopped(message, 1)), { close: NOT_UTF8 });
  });

  test("bytes that are not UTF-8 are nothing special in a binary message", async () => {
    const payload = bytes("80 c0af eda080 f4908080 ff");
    const message = wsFrame(WsOpcode.binary, publishMessage("msgpack", payload));
    await cases.expect("msgpack", [message], { echoes: [payload] });
  });
});

describe.each(["msgpack", "json"] as const)("%s: 7 closing", (format) => {
  const opcode = opcodeOf(format);

  function publish(text: string): Uint8Array {
    return wsFrame(opcode, publishMessage(format, text));
  }

  test("a message before the close is executed", async () => {
    await cases.expect(format, [publish("last words"), close(1000)], {
      echoes: ["last words"],
      close: 1000,
    });
  });

  test("a large message and the close in one go", async () => {
    const large = "x".repeat(200_000);
    await cases.expect(format, [Buffer.concat([publish(large), close(1000)])], {
      echoes: [large],
      close: 1000,
    });
  });

  test("nothing after the close is executed or answered", async () => {
    for (const after of [close(1001), wsFrame(WsOpcode.ping, "late"), publish("late")]) {
      await cases.expect(format, [Buffer.concat([close(1000), after])], { close: 1000 });
      await cases.expect(format, [close(1000), after], { close: 1000 });
    }
  });

  test("a close between the fragments of a message ends both", async () => {
    const message = publishMessage(format, "unfinished");
    const [first = message, second = message] = wsFragments(opcode, chopped(message, 10));
    await cases.expect(format, [Buffer.concat([first, close(1000), second])], { close: 1000 });
  });

  test("a close without a code", async () => {
    await cases.expect(format, [wsFrame(WsOpcode.close)], { close: [1000, 1005] });
  });

  test("a close with half a code", async () => {
    await cases.expect(format, [wsFrame(WsOpcode.close, "x")], { close: PROTOCOL_ERROR });
  });

  test.each([0, 1, 60, 123])("a reason of %i bytes", async (length) => {
    await cases.expect(format, [close(1000, "r".repeat(length))], { close: 1000 });
  });

  test("a reason of 124 bytes", async () => {
    await cases.expect(format, [close(1000, "r".repeat(124))], { close: PROTOCOL_ERROR });
  });

  test("a reason that is not UTF-8", async () => {
    const reason = bytes("cebae1bdb9cf83cebcceb5eda080656469746564");
    await cases.expect(format, [close(1000, reason)], { close: NOT_UTF8 });
  });

  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])(
    "code %i is sent back",
    async (code) => {
      await cases.expect(format, [close(code)], { close: code });
    },
  );

  test.each([0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999])(
    "code %i is not for the wire",
    async (code) => {
      await cases.expect(format, [close(code)], { close: PROTOCOL_ERROR });
    },
  );

  test.each([5000, 65_535])("code %i, which nobody has defined, ends it", async (code) => {
    await cases.expect(format, [close(code)], { close: [PROTOCOL_ERROR, code] });
  });
});
