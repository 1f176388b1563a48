import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";

import { encodeBinary } from "../../protocol/binary-codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { startBrokerProcess } from "../support/process.ts";
import type { BrokerProcess } from "../support/process.ts";
import { ProtocolClient } from "../support/protocol-client.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { closePayload, wsFrame, WsOpcode } from "../support/websocket-frames.ts";

// A process of its own: what it writes to stderr, and how it exits, tells whether anything went unhandled.
let node: BrokerProcess;
/** Clients that do no wrong: they are connected all the time, and nothing done to others may reach them. */
let publisher: ProtocolClient;
let subscriber: ProtocolClient;
let published = 0;

beforeAll(async () => {
  node = await startBrokerProcess([
    "--command-rate",
    "0",
    "--max-message-bytes",
    "8KiB",
    "--max-payload-bytes",
    "4KiB",
    "--drain-ms",
    "50",
  ]);
  publisher = await ProtocolClient.connect(node.url);
  subscriber = await ProtocolClient.connect(node.url);
  await subscriber.subscribe("healthy");
});

afterAll(async () => {
  node.kill("SIGTERM");
  expect(await node.exited).toBe(0);
  expect(node.stderr).toBe("");
  expect(node.log).not.toContain('"level":"error"');
  for (const { code } of [await publisher.untilClosed(), await subscriber.untilClosed()]) {
    expect(code).toBe(4200);
  }
});

/** The healthy ones still get their due, and the broker has forgotten whoever has gone. */
async function expectHealthy(): Promise<void> {
  await publisher.publish("healthy", String(++published));
  await subscriber.untilPublications(published);
  expect(subscriber.texts().at(-1)).toBe(String(published));
}

const BIG = 2 ** 53;
const POSITION = ["epoch", 1];
const LONG = "x".repeat(300);

/** Frames with one thing wrong, and the error they are answered with; the connection goes on. */
const REFUSED: readonly (readonly [string, Frame, number])[] = [
  ["an op nobody knows", [31, 7], 4008],
  ["an op of the broker's", [35, 7, 1, new Uint8Array(1)], 4008],
  ["a negative op", [-1, 7], 4008],
  ["subscribe without a channel", [2, 7], 4009],
  ["subscribe to a number", [2, 7, 5], 4009],
  ["subscribe to a name too long", [2, 7, LONG], 4009],
  ["subscribe to no name", [2, 7, ""], 4007],
  ["subscribe to a name with spaces", [2, 7, "a b"], 4007],
  ["subscribe to a name of 33 segments", [2, 7, Array(33).fill("a").join(".")], 4007],
  ["recover from a text", [2, 7, "a", "last"], 4009],
  ["recover from half a position", [2, 7, "a", ["epoch"]], 4009],
  ["recover from a negative offset", [2, 7, "a", ["epoch", -1]], 4009],
  ["recover from an offset too large", [2, 7, "a", ["epoch", BIG]], 4009],
  ["recover more than there may be", [2, 7, "a", 1001], 4009],
  ["flags that are none", [2, 7, "a", null, "both"], 4009],
  ["flags too large", [2, 7, "a", null, 256], 4009],
  ["a pattern with a position", [2, 7, "a.*", POSITION], 4009],
  ["unsubscribe from nothing", [3, 7, "a"], 4015],
  ["unsubscribe without a name", [3, 7], 4009],
  ["publish without a payload", [4, 7, "a"], 4009],
  ["publish a number", [4, 7, "a", 5], 4009],
  ["publish a list", [4, 7, "a", [1, 2]], 4009],
  ["publish to a pattern", [4, 7, "a.*", new Uint8Array(1)], 4007],
  ["publish to a reserved name", [4, 7, "$sys", new Uint8Array(1)], 4007],
  ["publish too much", [4, 7, "a", new Uint8Array(4097).fill(0x61)], 4013],
  ["publish with meta that is no list", [5, 7, "a", "meta", new Uint8Array(1)], 4009],
  ["publish with an id too long", [5, 7, "a", [LONG], new Uint8Array(1)], 4009],
  [
    "publish with a header that is no text",
    [5, 7, "a", [null, null, new Map([["h", 1]])], new Uint8Array(1)],
    4009,
  ],
  [
    "publish with headers that are no map",
    [5, 7, "a", [null, null, ["h"]], new Uint8Array(1)],
    4009,
  ],
  ["ping with a time that is none", [6, 7, "now"], 4009],
  ["history without a limit", [7, 7, "a"], 4009],
  ["history beyond the limit", [7, 7, "a", 1001], 4009],
  ["history of a pattern", [7, 7, ">", 1], 4007],
  ["history since a text", [7, 7, "a", 1, "yesterday"], 4009],
  ["presence of a pattern", [8, 7, "a.>"], 4007],
  ["presence of nothing", [8, 7, null], 4009],
  ["refresh without a token", [9, 7], 4009],
  ["refresh with a token too long", [9, 7, "t".repeat(4097)], 4009],
  ["refresh where there are no tokens", [9, 7, "token"], 4001],
  ["a second connect", [1, 7, 1], 4005],
];

describe("a command with something wrong is refused, and the connection goes on", () => {
  for (const format of ["msgpack", "json"] as const) {
    test(`each with its own code: ${format}`, async () => {
      await using client = await ProtocolClient.connect(node.url, { format });
      for (const [what, frame, code] of REFUSED) {
        const before = client.frames.length;
        client.send(frame);
        await client.until(() => client.frames.length > before);
        const [reply] = client.frames.slice(before);
        expect([what, reply]).toMatchObject([what, { type: "error", id: 7, code }]);
      }
      // Ids that cannot be read are answered with 0.
      for (const id of [-1, 1.5, BIG, "seven", null]) {
        const before = client.frames.length;
        client.send([6, id, 0]);
        await client.until(() => client.frames.length > before);
        expect(client.frames[before]).toMatchObject({ type: "error", id: 0, code: 4009 });
      }
      await client.publish("a", "still here");
      await expectHealthy();
    });
  }
});

describe("bytes that are no frame end the connection with 4000, and no other", () => {
  const nested = (depth: number): string => (depth === 0 ? "0" : `[6,0,${nested(depth - 1)}]`);
  const deep = Uint8Array.from([...Array(50).fill(0x91), 0x06]);
  const messages: Record<string, readonly [Uint8Array | string, "msgpack" | "json"]> = {
    "an empty message": [new Uint8Array(0), "msgpack"],
    "an empty text": ["", "json"],
    "a number": [Uint8Array.of(0x06), "msgpack"],
    "an array without an op": [Uint8Array.of(0x90), "msgpack"],
    "an op that is a text": [encodeBinary(["ping", 1] as never), "msgpack"],
    "a frame cut short": [encodeBinary([4, 1, "a", new Uint8Array(20)]).slice(0, -5), "msgpack"],
    "a length that lies": [
      Uint8Array.of(0x94, 4, 1, 0xa1, 0x61, 0xc6, 0xff, 0xff, 0xff, 0xff),
      "msgpack",
    ],
    "an array of 4 billion": [Uint8Array.of(0x92, 6, 0xdd, 0xff, 0xff, 0xff, 0xff), "msgpack"],
    "an extension": [Uint8Array.of(0x92, 6, 0xd4, 1, 1), "msgpack"],
    "a timestamp": [Uint8Array.of(0x92, 6, 0xd6, 0xff, 1, 2, 3, 4), "msgpack"],
    "the byte never used": [Uint8Array.of(0x92, 6, 0xc1), "msgpack"],
    "arrays too deep": [deep, "msgpack"],
    "too many fields": [encodeBinary([6, 1, ...Array(20).fill(0)] as unknown as Frame), "msgpack"],
    "a key that is no text": [Uint8Array.of(0x93, 6, 1, 0x81, 0x01, 0x01), "msgpack"],
    "text that is no JSON": ["[6,1", "json"],
    "JSON that is no array": ['{"op":6}', "json"],
    "an array without anything": ["[]", "json"],
    "JSON too deep": [nested(10), "json"],
    "a line feed at the end": ["[6,1]\n", "json"],
    "text on the binary subprotocol": ["[6,1]", "msgpack"],
    "bytes on the text subprotocol": [encodeBinary([6, 1]), "json"],
  };
  for (const [what, [message, format]] of Object.entries(messages)) {
    test(what, async () => {
      await using client = await ProtocolClient.connect(node.url, { format });
      client.sendRaw(message);
      const { code, reason } = await client.untilClosed();
      expect(code).toBe(4000);
      expect(reason).not.toBe("");
      expect(client.frames.at(-1)).toMatchObject({ type: "error", code: 4000 });
      await expectHealthy();
    });
  }
});

describe("what comes before connect", () => {
  const first: Record<string, readonly [Frame, number]> = {
    "a publish": [[4, 7, "a", new Uint8Array(1)], 4006],
    "a publish that wants no reply": [[4, 0, "a", new Uint8Array(1)], 4006],
    "a malformed subscribe": [[2, 7, 5], 4006],
    "an op nobody knows": [[30, 7], 4006],
    "a connect of a later version": [[1, 7, 2], 4002],
    "a connect of version 0": [[1, 7, 0], 4002],
    "a connect with a token nobody can check": [[1, 7, 1, "token"], 4001],
  };
  for (const [what, [frame, code]] of Object.entries(first)) {
    test(`is refused and closed: ${what}`, async () => {
      await using client = await ProtocolClient.open(node.url);
      client.send(frame);
      expect((await client.untilClosed()).code).toBe(code);
      expect(client.frames).toMatchObject([{ type: "error", code }]);
      await expectHealthy();
    });
  }

  test("is an error when it is a connect with a field that is wrong, which can be sent again", async () => {
    await using client = await ProtocolClient.open(node.url);
    for (const frame of [
      [1, 7],
      [1, 7, "1"],
      [1, 7, 1, 5],
      [1, 7, 1, null, LONG],
    ] as const) {
      client.send(frame);
    }
    await client.connect();
    const refusals = client.frames.slice(0, -1);
    expect(refusals).toHaveLength(4);
    for (const frame of refusals) expect(frame).toMatchObject({ type: "error", id: 7, code: 4009 });
  });
});

/** Writes to a new TCP connection, and resolves once it has ended or the broker has answered. */
function raw(bytes: string | Uint8Array, end: "reset" | "finish"): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: node.port }, () => {
      socket.write(bytes, () => (end === "reset" ? socket.resetAndDestroy() : socket.end()));
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.resume();
  });
}

describe("connections that go wrong below the protocol", () => {
  const KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n";
  const UPGRADE = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

  for (const [what, bytes] of Object.entries({
    "nothing at all": "",
    "half a handshake": `GET / HTTP/1.1\r\nHost: x\r\nUpg`,
    "no HTTP": Buffer.from("16030100a1010000", "hex"),
    "a handshake without a key": `GET / HTTP/1.1\r\n${UPGRADE}\r\n`,
    "a handshake with a broken key": `GET / HTTP/1.1\r\n${UPGRADE}Sec-WebSocket-Key: x\r\n\r\n`,
    "a POST handshake": `POST / HTTP/1.1\r\n${UPGRADE}${KEY}\r\n`,
    "a good handshake and no more": `GET / HTTP/1.1\r\n${UPGRADE}${KEY}\r\n`,
    "headers without end": `GET / HTTP/1.1\r\nX: ${"y".repeat(100_000)}`,
  })) {
    for (const end of ["reset", "finish"] as const) {
      test(`${what}, and then a ${end}`, async () => {
        await raw(bytes, end);
        await expectHealthy();
      });
    }
  }

  for (const [what, frames] of Object.entries({
    "a frame cut short": [wsFrame(WsOpcode.binary, new Uint8Array(100)).slice(0, 20)],
    "a message without end": [wsFrame(WsOpcode.binary, "x", { fin: false })],
    "a frame that is not masked": [wsFrame(WsOpcode.binary, "x", { masked: false })],
    "a frame of a reserved kind": [wsFrame(0x3, "x")],
    "a close with a code that is none": [wsFrame(WsOpcode.close, closePayload(1005))],
    "a close of one byte": [wsFrame(WsOpcode.close, Uint8Array.of(3))],
    "two closes": [wsFrame(WsOpcode.close), wsFrame(WsOpcode.close)],
    "a message that says it is huge": [wsFrame(WsOpcode.binary, "x", { claimedLength: 2 ** 40 })],
    "commands and a reset at once": [wsFrame(WsOpcode.binary, encodeBinary([1, 1, 1]))],
  })) {
    test(what, async () => {
      await using socket = await RawWebSocket.connect(node.url);
      socket.write(wsFrame(WsOpcode.binary, encodeBinary([1, 1, 1])), ...frames);
      await expectHealthy();
      socket.destroy();
      await expectHealthy();
    });
  }
});
