import { describe, expect, test } from "bun:test";

import { PlainNode } from "../support/plain-node.ts";
import { publishFrame, subscribeFrame } from "../support/protocol-client.ts";
import { rejection } from "../support/rejection.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function codeOf(promise: Promise<unknown>): Promise<number | undefined> {
  return ((await rejection(promise)) as { info?: { code: number } }).info?.code;
}

describe("a node asked from outside its sockets", () => {
  test("publishes like a client: in the same order, to the same subscribers, with ids stored once", async () => {
    const node = new PlainNode();
    const client = await node.connect();
    client.send(subscribeFrame(2, "a"), publishFrame(0, "a", "1"));
    const second = await node.api.publish("a", bytes("2"));
    client.send(publishFrame(0, "a", "3"));
    const fourth = await node.api.publish("a", bytes("4"), { id: "one", key: "k" });
    const again = await node.api.publish("a", bytes("again"), { id: "one" });
    await node.settle();
    expect(second.offset).toBe(2);
    expect(again).toEqual(fourth);
    const seen = client.frames.flatMap((frame) => (frame.type === "publication" ? [frame] : []));
    expect(seen.map(({ payload }) => Buffer.from(payload).toString())).toEqual([
      "1",
      "2",
      "3",
      "4",
    ]);
    expect(seen.at(-1)?.meta).toMatchObject({ id: "one", key: "k", timeMs: node.clock.wallMs() });
  });

  test("refuses what a client would be refused, with the same codes", async () => {
    const node = new PlainNode({
      maxPayloadBytes: 10,
      namespaces: [{ pattern: "bare.>", historySize: 0, presence: false }],
    });
    const { api } = node;
    expect(await codeOf(api.publish("a.*", bytes("x")))).toBe(4007);
    expect(await codeOf(api.publish("", bytes("x")))).toBe(4007);
    expect(await codeOf(api.publish("a", bytes("x".repeat(11))))).toBe(4013);
    const query = { limit: 1, since: null };
    expect(await codeOf(api.history(">", query))).toBe(4007);
    expect(await codeOf(api.history("bare.a", query))).toBe(4016);
    expect(await codeOf(api.presence("bare.a"))).toBe(4016);
    expect(await codeOf(api.presence("a b"))).toBe(4007);
    expect(await codeOf(api.channels({ pattern: "a*", limit: 1, after: null }))).toBe(4007);
  });

  test("lists channels by pattern, sorted, a page at a time", async () => {
    const node = new PlainNode();
    const client = await node.connect();
    const names = ["b.2", "a", "b.1", "b.10", "c.1"];
    client.send(...names.map((name) => publishFrame(0, name, "x")), subscribeFrame(2, "b.1"));
    client.send(subscribeFrame(3, "b.*"));
    await node.settle();
    const pages: string[][] = [];
    let after: string | null = null;
    for (;;) {
      const page = await node.api.channels({ pattern: "b.>", limit: 2, after });
      if (page.length === 0) break;
      pages.push(page.map(({ name, offset, subscribers }) => `${name} ${offset} ${subscribers}`));
      after = page.at(-1)?.name ?? null;
    }
    expect(pages).toEqual([["b.1 1 1", "b.10 1 1"], ["b.2 1 1"]]);
    const all = await node.api.channels({ pattern: ">", limit: 100, after: null });
    expect(all.map(({ name }) => name)).toEqual(names.toSorted());
  });

  test("lists connections, a page at a time, and closes those it is told to", async () => {
    const node = new PlainNode();
    const clients = [];
    while (clients.length < 5) clients.push(await node.connect());
    const ids = clients.map(({ session }) => session.id).toSorted();
    const first = await node.api.connections({ user: null, limit: 3, after: null });
    const last = first.at(-1)?.connection ?? null;
    const rest = await node.api.connections({ user: null, limit: 3, after: last });
    expect([...first, ...rest].map(({ connection }) => connection)).toEqual(ids);
    expect(first[0]).toMatchObject({ user: null, format: "msgpack", subscriptions: 0 });
    const [gone] = clients;
    expect(await node.api.disconnect({ connection: gone?.session.id ?? "" })).toBe(1);
    expect(gone?.socket.closes.map(({ code }) => code)).toEqual([4017]);
    expect(await node.api.disconnect({ connection: gone?.session.id ?? "" })).toBe(0);
    expect(await node.api.disconnect({ user: "nobody" })).toBe(0);
    expect(node.registry.size).toBe(4);
  });
});
