import { expect, test } from "bun:test";

import { FaultProxy } from "../../support/fault-proxy.ts";
import { HOLD } from "../../support/fault.ts";
import { ProtocolClient, subscribeFrame } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { waitUntil } from "../../support/redis/wait.ts";
import { StallingClient } from "../../support/stalling-client.ts";
import { startTracedBroker } from "../../support/traced-broker.ts";
import type { TracedBroker } from "../../support/traced-broker.ts";

/* Aim: what one node is asked about slow subscribers, traces and rules is answered for all of them. */

/** So large that a few fill what the system holds for a client that does not read. */
const BLOCK = new Uint8Array(256 * 1024);
const SLOW_MS = 50;

function startNode(node: string, redis: string): Promise<TracedBroker> {
  return startTracedBroker({
    node,
    redis: [redis],
    slowMs: SLOW_MS,
    maxPayloadBytes: BLOCK.length,
    maxMessageBytes: 4 * BLOCK.length,
    outboundBytes: 256 * BLOCK.length,
  });
}

/** A client that is subscribed and does not read. */
async function stalledOn({ url }: TracedBroker, channel: string): Promise<StallingClient> {
  const client = await StallingClient.connect(url);
  client.send(subscribeFrame(2, channel));
  await client.until(() => client.frames.some(({ type }) => type === "ok"));
  client.socket.pause();
  return client;
}

function getJson({ httpUrl }: TracedBroker, path: string, init?: RequestInit): Promise<unknown> {
  return fetch(httpUrl + path, init).then((answer) => answer.json());
}

function postJson(node: TracedBroker, path: string, body: object): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  return getJson(node, path, { method: "POST", headers, body: JSON.stringify(body) });
}

interface Rules {
  readonly rules: readonly { readonly id: string; readonly nodes: readonly string[] }[];
}

describeWithRedis("any of several nodes", () => {
  test("lists the slow subscribers of all", async () => {
    await using redis = await startRedis();
    await using a = await startNode("a", redis.url);
    await using b = await startNode("b", redis.url);
    await using atA = await stalledOn(a, "feed");
    await using atB = await stalledOn(b, "feed");
    await using publisher = await ProtocolClient.connect(a.url);
    const queuedBytes = (): number =>
      Math.min(...[a, b].map(({ broker }) => broker.api.stats.outboundQueuedBytes));
    while (queuedBytes() < 2 * BLOCK.length) await publisher.publish("feed", BLOCK);
    const startMs = performance.now();
    while (performance.now() - startMs < 2 * SLOW_MS) await getJson(a, "/health");
    for (const client of [atA, atB]) client.socket.resume();
    for (const asked of [a, b]) {
      await waitUntil("both are listed", async () => {
        const { slow } = await asked.broker.api.cluster.slow(10);
        return slow.length === 2;
      });
      const { slow, ...rest } = (await getJson(asked, "/v1/slow?limit=10")) as {
        slow: { node: string; worstMs: number }[];
      };
      expect(rest).toEqual({
        node: asked === a ? "a" : "b",
        unreachable: [],
        failed: [],
        isPartial: false,
      } as never);
      expect(slow.map(({ node }) => node).toSorted()).toEqual(["a", "b"]);
      expect(slow[0]?.worstMs).toBeGreaterThanOrEqual(slow[1]?.worstMs ?? Infinity);
      expect(await getJson(asked, "/v1/slow?limit=1")).toMatchObject({ slow: [slow[0]] });
    }
  });

  test("tells all parts of a trace, which a rule set on another had made", async () => {
    await using redis = await startRedis();
    await using a = await startNode("a", redis.url);
    await using b = await startNode("b", redis.url);
    await using c = await startNode("c", redis.url);
    const { rules } = (await postJson(a, "/v1/trace/rules", { channel: "market.>" })) as Rules;
    expect(rules).toMatchObject([{ nodes: ["a", "b", "c"] }]);
    await using subscriber = await ProtocolClient.connect(c.url);
    await subscriber.subscribe("market.eur");
    await using publisher = await ProtocolClient.connect(b.url);
    await publisher.publish("market.eur", "1.07");
    const { traceId } = await c.collector.first();
    await b.collector.first();
    for (const asked of [a, b, c]) {
      const found = (await getJson(asked, `/v1/trace?id=${traceId}`)) as { parts: unknown };
      expect(found).toMatchObject({
        id: traceId,
        parts: [
          { node: "b", busSend: { error: null }, fanOut: null },
          { node: "c", ingest: null, busReceive: { fromNode: "b" }, fanOut: { delivered: 1 } },
        ],
        isPartial: false,
      });
      expect(await getJson(asked, "/v1/traces?limit=1")).toMatchObject({ parts: [{ traceId }] });
    }
    // A node without the rule can end it on those that have it.
    await using late = await startNode("late", redis.url);
    const before = (await getJson(late, "/v1/trace/rules")) as Rules;
    expect(before.rules).toMatchObject([{ id: rules[0]?.id, nodes: ["a", "b", "c"] }]);
    const removal = { action: "remove", id: rules[0]?.id };
    expect(await postJson(late, "/v1/trace/rules", removal)).toMatchObject({ rules: [] });
    expect(b.broker.api.traces.rules()).toEqual([]);
    expect(await postJson(late, "/v1/trace/rules", removal)).toMatchObject({
      error: { name: "not_found" },
    });
  });

  test("that is cut off from Redis answers for itself, and says so", async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(Number(new URL(redis.url).port));
    await using a = await startNode("a", `redis://127.0.0.1:${proxy.port}`);
    await using b = await startNode("b", redis.url);
    const all = { unreachable: [], failed: [], isPartial: false };
    await waitUntil("all answer", async () => {
      const { isPartial } = await a.broker.api.cluster.slow(1);
      return !isPartial;
    });
    expect(await getJson(b, "/v1/slow")).toEqual({ node: "b", slow: [], ...all });
    // Nothing goes either way, and no connection ends.
    proxy.set({ toClient: HOLD, toServer: HOLD });
    expect(await getJson(a, "/v1/slow")).toMatchObject({ node: "a", slow: [], isPartial: true });
    const added = (await postJson(a, "/v1/trace/rules", { channel: "x" })) as Rules;
    expect(added).toMatchObject({ rules: [{ nodes: ["a"] }], isPartial: true });
  });
});
