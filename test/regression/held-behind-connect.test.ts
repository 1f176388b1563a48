import { describe, expect, test } from "bun:test";

import { encodeConnect } from "../../protocol/messages/connect.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { PlainClient, PlainNode } from "../support/plain-node.ts";
import { publishFrame } from "../support/protocol-client.ts";

const connect = encodeConnect({ id: 1, version: PROTOCOL_VERSION, token: null, client: null });

describe("what comes behind connect in one message is handled once connected, in order", () => {
  for (const format of ["msgpack", "json"] as const) {
    test(`commands before a bad frame are executed [P-3.3]: ${format}`, async () => {
      const node = new PlainNode();
      const client = new PlainClient(node.sessions, format);
      client.sendBroken(connect, publishFrame(2, "a", "kept"), publishFrame(3, "a", "kept too"));
      await node.settle();
      const told = client.frames.map((frame) =>
        frame.type === "error"
          ? `error ${frame.code}`
          : `${frame.type} ${"id" in frame && frame.id}`,
      );
      expect(told).toEqual(["connected 1", "ok 2", "ok 3", "error 4000"]);
      expect(client.socket.closes.map(({ code }) => code)).toEqual([4000]);
    });

    test(`bytes that are not text are the same afterwards: ${format}`, async () => {
      const node = new PlainNode();
      const client = new PlainClient(node.sessions, format);
      const payload = Uint8Array.from({ length: 256 }, (_, i) => i);
      client.send(connect, publishFrame(2, "a", payload));
      await node.settle();
      const { publications } = await node.api.history("a", { limit: 1, since: null });
      expect(publications[0]?.payload).toEqual(payload);
    });
  }

  test("up to one message's size in all; more closes with 4013, and nothing of it is executed [P-4.6]", async () => {
    const node = new PlainNode({ maxMessageBytes: 2048, maxPayloadBytes: 1500 });
    const [fits, tooMuch] = [
      new PlainClient(node.sessions, "msgpack"),
      new PlainClient(node.sessions, "msgpack"),
    ];
    for (const [client, count] of [
      [fits, 2],
      [tooMuch, 3],
    ] as const) {
      client.send(connect);
      for (let i = 0; i < count; i++) client.send(publishFrame(0, "a", "x".repeat(900)));
    }
    await node.settle();
    expect(fits.socket.closes).toEqual([]);
    expect(tooMuch.socket.closes.map(({ code }) => code)).toEqual([4013]);
    expect(tooMuch.frames).toMatchObject([{ type: "error", id: 0, code: 4013 }]);
    expect((await node.api.history("a", { limit: 1, since: null })).offset).toBe(2);
  });
});
