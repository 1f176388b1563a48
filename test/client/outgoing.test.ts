import { expect, test } from "bun:test";

import { Outgoing } from "../../client/outgoing.ts";
import { BinaryCodec } from "../../protocol/binary-codec.ts";
import { decodeCommand } from "../../protocol/command.ts";
import type { Command } from "../../protocol/command.ts";
import { encodePing } from "../../protocol/messages/ping.ts";

const codec = new BinaryCodec();

function setUp(): { outgoing: Outgoing; messages: Uint8Array[]; commands: () => Command[][] } {
  const messages: Uint8Array[] = [];
  const outgoing = new Outgoing((message) => messages.push(message));
  const commands = (): Command[][] =>
    messages.map((message) => {
      const read: Command[] = [];
      codec.decode(message, (frame) => read.push(decodeCommand(frame)));
      return read;
    });
  return { outgoing, messages, commands };
}

const payload = Uint8Array.of(1, 2, 3);

test("frames of one tick leave as one message, in their order", async () => {
  const { outgoing, messages, commands } = setUp();
  outgoing.publish(1, "a", payload);
  outgoing.frame(codec.encode(encodePing({ id: 2, clientTimeMs: 5 })));
  outgoing.publish(0, "a.b", new Uint8Array(0));
  expect(messages).toEqual([]);
  await Promise.resolve();
  expect(commands()).toEqual([
    [
      { type: "publish", id: 1, channel: "a", payload, meta: null },
      { type: "ping", id: 2, clientTimeMs: 5 },
      { type: "publish", id: 0, channel: "a.b", payload: new Uint8Array(0), meta: null },
    ],
  ]);
  outgoing.publish(3, "a", payload);
  await Promise.resolve();
  expect(messages.length).toBe(2);
});

test("no message is larger than the broker takes, and none is split", async () => {
  const { outgoing, messages, commands } = setUp();
  outgoing.maxMessageBytes = 1000;
  for (let id = 1; id <= 100; id++) outgoing.publish(id, "a", new Uint8Array(90));
  await Promise.resolve();
  expect(messages.length).toBe(10);
  for (const message of messages) expect(message.length).toBeLessThanOrEqual(1000);
  expect(
    commands()
      .flat()
      .map(({ id }) => id),
  ).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
});

test("a frame larger than that leaves alone", async () => {
  const { outgoing, messages } = setUp();
  outgoing.maxMessageBytes = 100;
  outgoing.publish(1, "a", payload);
  outgoing.publish(2, "a", new Uint8Array(500));
  outgoing.publish(3, "a", payload);
  await Promise.resolve();
  expect(messages.map(({ length }) => length > 100)).toEqual([false, true, false]);
});

test("messages keep their bytes while the buffer is used again, grown or not", async () => {
  const { outgoing, messages, commands } = setUp();
  const large = new Uint8Array(2 << 20).fill(7);
  outgoing.publish(1, "a", large);
  outgoing.flush();
  outgoing.publish(2, "b", payload);
  await Promise.resolve();
  expect(messages.length).toBe(2);
  expect(commands().flat()).toEqual([
    { type: "publish", id: 1, channel: "a", payload: large, meta: null },
    { type: "publish", id: 2, channel: "b", payload, meta: null },
  ]);
});

test("what is cleared never leaves", async () => {
  const { outgoing, messages } = setUp();
  outgoing.publish(1, "a", payload);
  expect(outgoing.size).toBeGreaterThan(0);
  outgoing.clear();
  await Promise.resolve();
  expect(messages).toEqual([]);
  expect(outgoing.size).toBe(0);
});
