import { describe, expect, test } from "bun:test";

import { encodeHistory } from "../../../protocol/messages/history.ts";
import { encodePresence } from "../../../protocol/messages/presence.ts";
import { encodeUnsubscribe } from "../../../protocol/messages/unsubscribe.ts";
import { DeferredEngine } from "../../contract/deferred-engine.ts";
import { PlainNode } from "../../support/plain-node.ts";
import type { PlainClient } from "../../support/plain-node.ts";
import { publishFrame, subscribeFrame } from "../../support/protocol-client.ts";

/** A node whose engine answers when it is told to. */
function deferredNode(): { node: PlainNode; engine: DeferredEngine; answer: () => Promise<void> } {
  const node = new PlainNode({}, (inner) => new DeferredEngine(inner));
  const engine = node.engine as DeferredEngine;
  const answer = async (): Promise<void> => {
    engine.proceed();
    await node.settle();
  };
  return { node, engine, answer };
}

/** What a client was told, as short words. */
function told(client: PlainClient): string[] {
  return client.frames.slice(1).map((frame) => {
    if (frame.type === "error") return `error ${frame.id} ${frame.code}`;
    if (frame.type === "publication") return `publication ${frame.offset}`;
    return "id" in frame ? `${frame.type} ${frame.id}` : frame.type;
  });
}

async function subscribers(node: PlainNode): Promise<number[]> {
  const channels = await node.api.channels({ pattern: ">", limit: 100, after: null });
  return channels.map((channel) => channel.subscribers);
}

describe("with an engine that answers later", () => {
  test("a subscribe is acknowledged when the engine has confirmed, and misses nothing from then on", async () => {
    const { node, engine, answer } = deferredNode();
    const client = await node.connect();
    client.send(subscribeFrame(2, "a"), publishFrame(3, "a", "x"));
    await node.settle();
    expect(told(client)).toEqual([]);
    await answer();
    await answer();
    expect(told(client)).toEqual(["ok 3", "ok 2"]);
    client.send(publishFrame(4, "a", "y"));
    await answer();
    expect(told(client).slice(2)).toEqual(["ok 4", "publication 2"]);
    expect(engine.attachCount).toBe(1);
  });

  test("several who wait for the same channel share one attach", async () => {
    const { node, engine, answer } = deferredNode();
    const clients = [await node.connect(), await node.connect(), await node.connect()];
    for (const client of clients) client.send(subscribeFrame(2, "a"));
    await answer();
    for (const client of clients) expect(told(client)).toEqual(["ok 2"]);
    expect(engine.attachCount).toBe(1);
    expect(await subscribers(node)).toEqual([3]);
  });

  for (const name of ["a", "a.*"]) {
    test(`an unsubscribe meanwhile ends it, both are answered, and the interest is given back: ${name}`, async () => {
      const { node, engine, answer } = deferredNode();
      const client = await node.connect();
      client.send(subscribeFrame(2, name), encodeUnsubscribe({ id: 3, channel: name }));
      await answer();
      expect(told(client).toSorted()).toEqual(["error 2 4015", "ok 3"]);
      expect(node.stats.subscriptionsOpen).toBe(0);
      expect(client.session.subscriptions.size).toBe(0);
      expect(engine.detachCount).toBe(engine.attachCount);
    });

    test(`a client that goes meanwhile leaves nothing behind: ${name}`, async () => {
      const { node, engine, answer } = deferredNode();
      const client = await node.connect();
      client.send(subscribeFrame(2, name));
      client.vanish();
      await answer();
      expect(node.stats.subscriptionsOpen).toBe(0);
      expect(node.registry.size).toBe(0);
      expect(await subscribers(node)).toEqual(name === "a" ? [0] : []);
      expect(engine.detachCount).toBe(engine.attachCount);
    });

    test(`a subscribe the engine cannot serve is an error, and can be tried again: ${name}`, async () => {
      const { node, engine, answer } = deferredNode();
      const client = await node.connect();
      engine.refusesAttach = true;
      client.send(subscribeFrame(2, name));
      await answer();
      expect(told(client)).toEqual(["error 2 4105"]);
      expect(node.stats.subscriptionsOpen).toBe(0);
      engine.refusesAttach = false;
      client.send(subscribeFrame(3, name));
      await answer();
      expect(told(client).slice(1)).toEqual(["ok 3"]);
      expect(node.stats.subscriptionsOpen).toBe(1);
    });

    test(`subscribing twice while the first waits is refused: ${name}`, async () => {
      const { node, answer } = deferredNode();
      const client = await node.connect();
      client.send(subscribeFrame(2, name), subscribeFrame(3, name));
      await answer();
      expect(told(client).toSorted()).toEqual(["error 3 4014", "ok 2"]);
    });
  }

  test("an unsubscribe and a new subscribe while the first waits leave one subscription", async () => {
    const { node, engine, answer } = deferredNode();
    const client = await node.connect();
    client.send(
      subscribeFrame(2, "a"),
      encodeUnsubscribe({ id: 3, channel: "a" }),
      subscribeFrame(4, "a"),
    );
    await answer();
    await answer();
    expect(told(client).toSorted()).toEqual(["error 2 4015", "ok 3", "ok 4"]);
    expect(await subscribers(node)).toEqual([1]);
    expect(node.stats.subscriptionsOpen).toBe(1);
    expect(engine.attachCount - engine.detachCount).toBe(1);
    client.send(publishFrame(5, "a", "x"));
    await answer();
    expect(told(client).slice(3)).toEqual(["ok 5", "publication 1"]);
  });

  test("publishes, history and presence are answered when the engine has, to who is still there", async () => {
    const { node, answer } = deferredNode();
    const client = await node.connect();
    const gone = await node.connect();
    const commands = [
      publishFrame(2, "a", "x"),
      encodeHistory({ id: 3, channel: "a", limit: 5, since: null }),
      encodePresence({ id: 4, channel: "a" }),
    ];
    client.send(...commands);
    gone.send(...commands);
    gone.vanish();
    await node.settle();
    expect(told(client)).toEqual([]);
    await answer();
    expect(told(client).toSorted()).toEqual(["ok 2", "ok 3", "ok 4"]);
    expect(gone.frames).toHaveLength(1);
  });

  test("a channel is let go of only after the interest in it", async () => {
    const { node, engine, answer } = deferredNode();
    const client = await node.connect();
    client.send(subscribeFrame(2, "a"));
    for (let i = 0; i < 3; i++) {
      node.clock.advance(10_000_000);
      node.hub.sweep(node.clock.nowMs());
    }
    await answer();
    expect(told(client)).toEqual(["ok 2"]);
    expect(await subscribers(node)).toEqual([1]);
    client.send(encodeUnsubscribe({ id: 3, channel: "a" }));
    expect(engine.detachCount).toBe(1);
    node.clock.advance(10_000_000);
    node.hub.sweep(node.clock.nowMs());
    expect(await subscribers(node)).toEqual([]);
  });
});
