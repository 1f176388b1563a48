import { afterAll, describe, expect, test } from "bun:test";

import { BinaryCodec } from "../../protocol/binary-codec.ts";
import { Code } from "../../protocol/codes.ts";
import type { CodeInfo } from "../../protocol/codes.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import { encodePing } from "../../protocol/messages/ping.ts";
import { encodePublish } from "../../protocol/messages/publish.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from "../../protocol/version.ts";
import { startBroker } from "../support/broker.ts";
import { HandshakeRefused, RawWebSocket } from "../support/raw-websocket.ts";
import { loadVectors } from "../support/vector-files.ts";
import { wsFrame, WsOpcode } from "../support/websocket-frames.ts";

/* What PROTOCOL.md says a broker does with what it should not be sent, held against a real one. */

type Format = "msgpack" | "json";

const broker = await startBroker({ maxMessageBytes: 8192, maxPayloadBytes: 4096, commandRate: 0 });
afterAll(() => broker[Symbol.asyncDispose]());

const { invalid } = await loadVectors();
const binary = new BinaryCodec();
const json = new JsonCodec();
const CONNECT = encodeConnect({ id: 1, version: 1, token: null, client: null });
const SENTINEL = encodePing({ id: 999_999, clientTimeMs: 0 });

/** A connection that has sent nothing yet. */
async function open(format: Format): Promise<RawWebSocket> {
  const subprotocol = format === "json" ? SUBPROTOCOL_JSON : SUBPROTOCOL_MSGPACK;
  const socket = await RawWebSocket.connect(broker.url, { subprotocols: [subprotocol] });
  expect(socket.subprotocol).toBe(subprotocol);
  return socket;
}

function message(format: Format, ...frames: Frame[]): Uint8Array {
  if (format === "msgpack") {
    return wsFrame(WsOpcode.binary, binary.join(frames.map((frame) => binary.encode(frame))));
  }
  return wsFrame(WsOpcode.text, json.join(frames.map((frame) => json.encode(frame))));
}

function received(socket: RawWebSocket): (ServerFrame | null)[] {
  const frames: (ServerFrame | null)[] = [];
  for (const { opcode, payload } of socket.frames) {
    if (opcode === WsOpcode.text) {
      json.decode(Buffer.from(payload).toString(), (raw) => frames.push(decodeServerFrame(raw)));
    } else if (opcode === WsOpcode.binary) {
      binary.decode(payload, (raw) => frames.push(decodeServerFrame(raw)));
    }
  }
  return frames;
}

function isSentinel(frame: ServerFrame | null): boolean {
  return frame?.type === "pong" && frame.id === SENTINEL[1];
}

/** The replies to what was sent before the sentinel, once it is answered; the connection lives. */
async function repliesOf(socket: RawWebSocket, format: Format): Promise<(ServerFrame | null)[]> {
  const before = received(socket).filter(isSentinel).length;
  socket.write(message(format, SENTINEL));
  await socket.until(() => received(socket).filter(isSentinel).length > before);
  return received(socket).filter((frame) => !isSentinel(frame) && frame?.type !== "connected");
}

function errorOf({ code, name }: Pick<CodeInfo, "code" | "name">, id: number): ServerFrame {
  return expect.objectContaining({ type: "error", id, code, name });
}

/** The broker answers with this error last, and closes with its code. */
async function expectErrorAndClose(socket: RawWebSocket, info: CodeInfo, id = 0): Promise<void> {
  const { code, reason } = await socket.closed;
  expect(received(socket).at(-1)).toEqual(errorOf(info, id));
  expect(code).toBe(info.code);
  expect(reason).not.toBe("");
}

describe.each(invalid.map((vector) => ({ ...vector, format: formatOf(vector) })))(
  "$format: $name",
  ({ format, hex, json: text, code, codeName, fatal, requestId }) => {
    test("is answered as the vector says", async () => {
      await using socket = await open(format);
      const bytes = hex === undefined ? Buffer.from(text ?? "") : Uint8Array.fromHex(hex);
      const opcode = format === "json" ? WsOpcode.text : WsOpcode.binary;
      // Behind connect when it is a connect itself would be another error: then it comes first.
      const isConnect = codeName === "bad_field" && bytes[1] === 1;
      if (!isConnect) socket.write(message(format, CONNECT));
      socket.write(wsFrame(opcode, bytes));
      const error = errorOf({ code, name: codeName }, requestId);
      if (fatal) {
        expect((await socket.closed).code).toBe(code);
        expect(received(socket).at(-1)).toEqual(error);
        return;
      }
      if (isConnect) socket.write(message(format, CONNECT));
      expect(await repliesOf(socket, format)).toEqual([error]);
    });
  },
);

function formatOf(vector: { hex?: string }): Format {
  return vector.hex === undefined ? "json" : "msgpack";
}

describe("the handshake", () => {
  test("without a subprotocol speaks msgpack and selects none", async () => {
    await using socket = await RawWebSocket.connect(broker.url);
    expect(socket.subprotocol).toBeNull();
    socket.write(message("msgpack", CONNECT));
    expect(await repliesOf(socket, "msgpack")).toEqual([]);
  });

  test("selects the first format offered, and never a token", async () => {
    const offers = ["tickwire.v9.msgpack", SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK];
    await using socket = await RawWebSocket.connect(broker.url, { subprotocols: offers });
    expect(socket.subprotocol).toBe(SUBPROTOCOL_JSON);
  });

  test.each([
    ["no format known", ["chat", "tickwire.v9.msgpack"], 400],
    ["a token beside no format", ["tickwire.token.abc"], 400],
    ["a token that is not accepted", [SUBPROTOCOL_MSGPACK, "tickwire.token.abc"], 401],
  ] as const)("offering %s is refused", async (_, subprotocols, status) => {
    const attempt = RawWebSocket.connect(broker.url, { subprotocols });
    expect(await attempt.catch((error: unknown) => error)).toEqual(new HandshakeRefused(status));
  });
});

function publishOf(bytes: number): Frame {
  const payload = new Uint8Array(bytes).fill(0x61);
  return encodePublish({ id: 5, channel: "a", payload, meta: null });
}

describe.each(["msgpack", "json"] as const)("%s:", (format) => {
  test("a message of the other type closes", async () => {
    await using socket = await open(format);
    socket.write(message(format, CONNECT));
    socket.write(message(format === "json" ? "msgpack" : "json", SENTINEL));
    await expectErrorAndClose(socket, Code.badFrame);
  });

  test("a command before connect closes", async () => {
    await using socket = await open(format);
    socket.write(message(format, encodePing({ id: 7, clientTimeMs: 0 }), CONNECT));
    await expectErrorAndClose(socket, Code.notConnected, 7);
  });

  test.each([0, 2, 65_535])("version %i closes", async (version) => {
    await using socket = await open(format);
    socket.write(message(format, encodeConnect({ id: 3, version, token: null, client: null })));
    await expectErrorAndClose(socket, Code.unsupportedVersion, 3);
  });

  test("a token that is not accepted closes", async () => {
    await using socket = await open(format);
    socket.write(message(format, encodeConnect({ id: 3, version: 1, token: "x", client: null })));
    await expectErrorAndClose(socket, Code.unauthorized, 3);
  });

  test("a second connect is an error and nothing more", async () => {
    await using socket = await open(format);
    socket.write(message(format, CONNECT, CONNECT));
    expect(await repliesOf(socket, format)).toEqual([errorOf(Code.alreadyConnected, 1)]);
  });

  test("a payload larger than the channel allows is an error and nothing more", async () => {
    await using socket = await open(format);
    socket.write(message(format, CONNECT), message(format, publishOf(4097)));
    expect(await repliesOf(socket, format)).toEqual([errorOf(Code.tooLarge, 5)]);
    socket.write(message(format, publishOf(4096)));
    expect((await repliesOf(socket, format)).at(-1)).toMatchObject({ type: "ok", id: 5 });
  });

  test("a message larger than the broker takes closes with 1009", async () => {
    await using socket = await open(format);
    socket.write(message(format, CONNECT));
    const opcode = format === "json" ? WsOpcode.text : WsOpcode.binary;
    socket.write(wsFrame(opcode, new Uint8Array(8193)));
    expect((await socket.closed).code).toBe(1009);
  });

  test("frames before a bad one in its message are executed", async () => {
    await using socket = await open(format);
    const good = [CONNECT, encodePing({ id: 4, clientTimeMs: 0 })];
    const body =
      format === "json"
        ? Buffer.from(`${json.join(good.map((frame) => json.encode(frame)))}\n[`)
        : Buffer.concat([...good.map((frame) => binary.encode(frame)), Uint8Array.of(0xc1)]);
    socket.write(wsFrame(format === "json" ? WsOpcode.text : WsOpcode.binary, body));
    await expectErrorAndClose(socket, Code.badFrame);
    expect(received(socket).map((frame) => frame?.type)).toEqual(["connected", "pong", "error"]);
  });
});
