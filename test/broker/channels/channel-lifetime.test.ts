import { describe, expect, test } from "bun:test";

import { PlainNode } from "../../support/plain-node.ts";
import type { PlainClient } from "../../support/plain-node.ts";
import { publishFrame, subscribeFrame } from "../../support/protocol-client.ts";
import { rejection } from "../../support/rejection.ts";

const IDLE_MS = 60_000;

function idleNode(): PlainNode {
  return new PlainNode({ channelIdleMs: IDLE_MS, historyTtlMs: 10_000, maxChannels: 3 });
}

function sweep(node: PlainNode): void {
  node.engine.sweep(node.clock.nowMs());
  node.hub.sweep(node.clock.nowMs());
}

async function names(node: PlainNode): Promise<string[]> {
  const channels = await node.api.channels({ pattern: ">", limit: 100, after: null });
  return channels.map(({ name }) => name);
}

function acknowledgements(client: PlainClient): unknown[] {
  return client.frames.flatMap((frame) => (frame.type === "ok" ? [frame.result] : []));
}

describe("a channel", () => {
  test("nobody uses is let go of after its time, and begins a new epoch when it comes back", async () => {
    const node = idleNode();
    const client = await node.connect();
    client.send(publishFrame(2, "a", "x"));
    client.send(publishFrame(3, "a", "x"));
    await node.settle();
    node.clock.advance(IDLE_MS);
    sweep(node);
    expect(await names(node)).toEqual(["a"]);
    node.clock.advance(1);
    sweep(node);
    expect(await names(node)).toEqual([]);
    expect(node.stats.channelsOpen).toBe(0);
    // The publisher's session remembers the channel; it must not publish into the old one.
    client.send(publishFrame(4, "a", "x"));
    await node.settle();
    const [first, second, third] = acknowledgements(client) as [number, string][];
    expect([first?.[0], second?.[0], third?.[0]]).toEqual([1, 2, 1]);
    expect(third?.[1]).not.toBe(first?.[1]);
    expect(await names(node)).toEqual(["a"]);
  });

  test("with a subscriber stays, however long nothing happens", async () => {
    const node = idleNode();
    const client = await node.connect();
    client.send(subscribeFrame(2, "a"));
    await node.settle();
    node.clock.advance(10 * IDLE_MS);
    sweep(node);
    expect(await names(node)).toEqual(["a"]);
    client.vanish();
    node.clock.advance(IDLE_MS + 1);
    sweep(node);
    expect(await names(node)).toEqual([]);
  });

  test("that only a pattern reaches is announced anew, with its new epoch, after it was let go of", async () => {
    const node = idleNode();
    const subscriber = await node.connect();
    const publisher = await node.connect();
    subscriber.send(subscribeFrame(2, "a.*"));
    publisher.send(publishFrame(0, "a.b", "1"));
    await node.settle();
    // Swept more than once: interest is given back first, and that counts as use.
    for (let i = 0; i < 3; i++) {
      node.clock.advance(IDLE_MS + 1);
      sweep(node);
    }
    expect(await names(node)).toEqual([]);
    publisher.send(publishFrame(0, "a.b", "2"));
    await node.settle();
    const announced = subscriber.frames.filter((frame) => frame.type === "channel");
    expect(announced.map(({ name, offset }) => [name, offset])).toEqual([
      ["a.b", 0],
      ["a.b", 0],
    ]);
    expect(new Set(announced.map(({ epoch }) => epoch)).size).toBe(2);
    expect(new Set(announced.map(({ channelId }) => channelId)).size).toBe(2);
    const last = subscriber.frames.at(-1);
    expect(last).toMatchObject({ type: "publication", offset: 1 });
    // Of the old one nothing is remembered.
    expect(subscriber.session.announced.size).toBe(1);
  });

  test("too many is refused as overloaded, those there go on, and room comes back", async () => {
    const node = idleNode();
    const client = await node.connect();
    client.send(...["a", "b", "c", "d", "a"].map((name, i) => publishFrame(i + 2, name, "x")));
    client.send(subscribeFrame(7, "e"), subscribeFrame(8, "b"));
    await node.settle();
    const errors = client.frames.flatMap((frame) => (frame.type === "error" ? [frame] : []));
    expect(errors.map(({ id, code }) => [id, code])).toEqual([
      [5, 4104],
      [7, 4104],
    ]);
    // What stands behind a refused frame in the same message is executed.
    const answered = client.frames.flatMap((frame) => (frame.type === "ok" ? [frame.id] : []));
    expect(answered).toEqual([2, 3, 4, 6, 8]);
    expect(await names(node)).toEqual(["a", "b", "c"]);
    const refused = await rejection(node.api.publish("f", new Uint8Array(1)));
    expect(refused).toMatchObject({ info: { code: 4104 } });
    node.clock.advance(IDLE_MS + 1);
    sweep(node);
    client.send(publishFrame(9, "d", "x"));
    await node.settle();
    expect(await names(node)).toEqual(["b", "d"]);
  });
});
