import { afterAll, beforeAll, expect, test } from "bun:test";

import type { NoticePush } from "../../../protocol/messages/notice.ts";
import { startBroker } from "../../support/broker.ts";
import type { TestBroker } from "../../support/broker.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { parsePrometheus } from "../../support/prometheus-parser.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { channelsOn } from "../../support/redis-channels.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startShards } from "../../support/redis/start-redis.ts";
import type { RedisShards } from "../../support/redis/start-redis.ts";
import { waitUntil } from "../../support/redis/wait.ts";

/* Aim: whoever is concerned, and nobody else, is told once that a shard is out of reach, and once that it is back.
   Method: two servers, the second behind a proxy that cuts it off; clients of channels here and there. */

const LIMIT_MS = 60_000;

const [here = ""] = channelsOn(0, { shards: 2 });
const [there = "", beside = ""] = channelsOn(1, { shards: 2, count: 2 });

function isOk({ state }: NoticePush): boolean {
  return state === "ok";
}

function noticesOf({ frames }: ProtocolClient): [string | null, string][] {
  return frames
    .filter((frame): frame is NoticePush => frame.type === "notice")
    .map(({ channel, state }) => [channel, state]);
}

describeWithRedis("a shard out of reach", () => {
  const owned = new AsyncDisposableStack();
  let shards: RedisShards;
  let proxy: FaultProxy;
  let node: TestBroker;

  beforeAll(async () => {
    shards = owned.use(await startShards(2));
    const [first, second] = shards.servers;
    if (first === undefined || second === undefined) throw new Error("two servers are due");
    proxy = owned.use(await FaultProxy.start(second.port));
    const redis = [first.url, `redis://127.0.0.1:${proxy.port}`];
    node = owned.use(await startBroker({ redis, historySize: 100 }));
    await waitUntil("the broker is ready", () => node.broker.api.health().isReady);
  }, LIMIT_MS);
  afterAll(() => owned.disposeAsync(), LIMIT_MS);

  async function subscribed(...names: string[]): Promise<ProtocolClient> {
    const client = await ProtocolClient.connect(node.url);
    for (const name of names) await client.subscribe(name);
    return client;
  }

  const states = (): string[] => node.broker.api.health().shards.map(({ state }) => state);

  async function shardGauge(): Promise<Record<string, number>> {
    const text = await (await fetch(`${node.httpUrl}/metrics`)).text();
    const family = parsePrometheus(text).find(({ name }) => name === "tickwire_redis_shards");
    return Object.fromEntries(
      (family?.samples ?? []).map(({ labels, value }) => [labels.get("state") ?? "", value]),
    );
  }

  test(
    "is told to those it concerns, once when it is gone and once when it is back [P-7.9]",
    async () => {
      await using unconcerned = await subscribed(here);
      await using one = await subscribed(here, there);
      await using several = await subscribed(there, beside);
      await using pattern = await subscribed("ch.>");
      expect(states()).toEqual(["ok", "ok"]);
      expect(await shardGauge()).toEqual({ ok: 2, degraded: 0, down: 0 });

      proxy.reset();
      await Promise.all([one, several, pattern].map((client) => client.frame("notice")));
      expect(states()).toEqual(["ok", "down"]);
      expect(await shardGauge()).toEqual({ ok: 1, degraded: 0, down: 1 });
      const health = await fetch(`${node.httpUrl}/health`);
      expect(health.status).toBe(503);
      expect(await health.json()).toMatchObject({
        status: "degraded",
        shards: [
          { shard: 0, state: "ok" },
          { shard: 1, state: "down" },
        ],
      });
      // Who subscribes meanwhile to what the node has anyway is told as well.
      await using late = await subscribed(there);
      await late.frame("notice");

      proxy.heal();
      await Promise.all(
        [one, several, pattern, late].map((client) => client.frame("notice", isOk)),
      );
      expect(noticesOf(one)).toEqual([
        [there, "degraded"],
        [there, "ok"],
      ]);
      expect(noticesOf(late)).toEqual([
        [there, "degraded"],
        [there, "ok"],
      ]);
      expect(noticesOf(several)).toEqual([
        [null, "degraded"],
        [null, "ok"],
      ]);
      expect(noticesOf(pattern)).toEqual([
        ["ch.>", "degraded"],
        ["ch.>", "ok"],
      ]);
      await unconcerned.ping();
      expect(noticesOf(unconcerned)).toEqual([]);
      await waitUntil("both servers are well", () => states().join() === "ok,ok");
      // The subscriptions stand.
      await unconcerned.publish(there, "after");
      await Promise.all([one, several, pattern, late].map((client) => client.untilPublications(1)));
    },
    LIMIT_MS,
  );

  test(
    "one subscription more that is concerned makes it several, and they end together",
    async () => {
      await using holder = await subscribed(there, beside);
      await using client = await subscribed(there);
      proxy.reset();
      await client.frame("notice");
      await client.subscribe(beside);
      await client.frame("notice", ({ channel }) => channel === null);
      proxy.heal();
      await client.frame("notice", isOk);
      await holder.frame("notice", isOk);
      expect(noticesOf(client)).toEqual([
        [there, "degraded"],
        [null, "degraded"],
        [null, "ok"],
      ]);
    },
    LIMIT_MS,
  );
});
