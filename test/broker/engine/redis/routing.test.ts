import { afterAll, beforeAll, expect, test } from "bun:test";

import type { ConfigInput } from "../../../../broker/config/config.ts";
import { randomId } from "../../../../broker/engine/epoch.ts";
import { Keys, nameHash } from "../../../../broker/engine/redis/keys.ts";
import { RedisEngine } from "../../../../broker/engine/redis/redis-engine.ts";
import { Code } from "../../../../protocol/codes.ts";
import { EngineBench, NAMESPACE } from "../../../contract/engine-harness.ts";
import { failureOf } from "../../../support/failure.ts";
import type { ProtocolClient } from "../../../support/protocol-client.ts";
import { PARTITIONS, redisEngineOptions, untilReady } from "../../../support/redis-engine.ts";
import { RedisNodeProcess } from "../../../support/redis-node-process.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import { ENTER, untilTold, WATCH } from "../../../support/redis-presence.ts";
import {
  REDIS_START_LIMIT_MS,
  REDIS_TOPOLOGIES,
  serversAt,
} from "../../../support/redis-topologies.ts";
import type { RunningRedis } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

const CONFIG: ConfigInput = {
  maxConnectionsPerUser: 0,
  namespaces: [
    { pattern: "user.*", routing: "channel" },
    { pattern: "plain.*", routing: "channel", historySize: 0 },
  ],
};

function texts(client: ProtocolClient, channelId: number): string[] {
  const own = client.publications.filter((publication) => publication.channelId === channelId);
  return own.map(({ payload }) => new TextDecoder().decode(payload));
}

function optionsAt(topology: RunningRedis["topology"], prefix: string, node: string) {
  return { topology, prefix, node, leaseMs: 900, config: CONFIG } satisfies RedisNodeOptions;
}

for (const { title, start } of REDIS_TOPOLOGIES) {
  describeWithRedis(`channels with a pub/sub channel of their own, over ${title}`, () => {
    let redis: RunningRedis;
    beforeAll(async () => {
      redis = await start();
    }, REDIS_START_LIMIT_MS);
    afterAll(() => redis[Symbol.asyncDispose]());

    test("reach the other node, beside others in the same batches, in one order", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(optionsAt(redis.topology, prefix, "a"));
      await using b = await RedisNode.start(optionsAt(redis.topology, prefix, "b"));
      await using far = await b.connect("far");
      await using publisher = await a.connect("publisher");
      const names = ["user", "plain", "room"].flatMap((kind) =>
        Array.from({ length: 6 }, (_, i) => `${kind}.${i}`),
      );
      const ids = new Map<string, number>();
      for (const name of names) ids.set(name, (await far.subscribe(name)).channelId);
      const sent = Array.from({ length: 20 }, (_, i) => `${i}`);
      await Promise.all(
        sent.flatMap((text) => names.map((name) => publisher.publish(name, `${name} ${text}`))),
      );
      await far.untilPublications(names.length * sent.length);
      for (const [name, id] of ids) {
        expect(texts(far, id)).toEqual(sent.map((text) => `${name} ${text}`));
      }
    });

    test("tell who enters and leaves, also when a node dies", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(optionsAt(redis.topology, prefix, "a"));
      await using dying = await RedisNodeProcess.start(optionsAt(redis.topology, prefix, "dying"));
      await using watching = await a.connect("watching");
      await watching.subscribe("user.a", { flags: WATCH });
      await watching.subscribe("room.a", { flags: WATCH });
      for (const [user, channel] of [
        ["ada", "user.a"],
        ["bob", "room.a"],
      ] as const) {
        const client = await dying.connect(user);
        await client.subscribe(channel, { flags: ENTER });
        await untilTold(watching, `join ${user}`);
      }
      await using eve = await a.connect("eve");
      await eve.subscribe("user.a", { flags: ENTER });
      await untilTold(watching, "join eve");
      await eve.unsubscribe("user.a");
      await untilTold(watching, "leave eve");
      await dying.crash();
      await untilTold(watching, "leave ada");
      await untilTold(watching, "leave bob");
      const changes = watching.frames.filter(({ type }) => type === "join" || type === "leave");
      expect(changes.length).toBe(6);
    });
  });
}

/** An engine whose channels all have one of their own. */
async function startRouted(url: string): Promise<EngineBench> {
  const engine = new RedisEngine(redisEngineOptions(serversAt(url)));
  const bench = new EngineBench(
    {
      engine,
      settle: () => untilReady(engine),
      advance: null,
      nowMs: () => performance.now(),
      [Symbol.asyncDispose]: async () => {},
    },
    true,
    { ...NAMESPACE, routing: "channel" },
  );
  await engine.start();
  await bench.settle();
  return bench;
}

describeWithRedis("a channel with a pub/sub channel of its own", () => {
  test("is subscribed to by those nodes alone that have a subscriber, and for as long", async () => {
    await using server = await startRedis();
    const prefix = `t${randomId(8)}`;
    const keys = new Keys(prefix, PARTITIONS);
    const own = keys.ownPubsub(keys.partition("user.a"), nameHash("user.a"));
    const topology = serversAt(server.url);
    await using a = await RedisNode.start(optionsAt(topology, prefix, "a"));
    await using b = await RedisNode.start(optionsAt(topology, prefix, "b"));
    await a.untilReady();
    await b.untilReady();
    const subscribed = async (): Promise<string> => {
      const channels = (await server.command("PUBSUB", "CHANNELS", `${prefix}:{*}:c*`)) as string[];
      return channels.filter((name) => !name.includes(":control")).join();
    };
    expect(await subscribed()).toBe("");
    await using client = await a.connect("ada");
    await client.subscribe("user.a");
    expect(await subscribed()).toBe(own);
    expect(await server.command("PUBSUB", "NUMSUB", own)).toEqual([own, 1]);
    await client.unsubscribe("user.a");
    await waitUntil("nobody listens", async () => (await subscribed()) === "");
  });

  test("is published to in one Redis call a batch", async () => {
    await using server = await startRedis();
    await using bench = await startRouted(server.url);
    const engine = bench.engine as RedisEngine;
    const keys = new Keys("any", PARTITIONS);
    const names = Array.from({ length: 100 }, (_, i) => `c${i}`)
      .filter((name) => keys.partition(name) === keys.partition("c0"))
      .slice(0, 8);
    const calls = async (): Promise<number> => {
      const stats = await server.info("commandstats");
      return Number(/calls=(\d+)/.exec(stats.get("cmdstat_evalsha") ?? "")?.[1]);
    };
    for (const historySize of [0, 50]) {
      const streams = names.map((name) => bench.open(name, { historySize }));
      const listened = await Promise.all(
        names.map((name) => bench.attached(name, { historySize })),
      );
      // Redis gets to know the script.
      await Promise.all(streams.map((stream) => bench.publish(stream, "x")));
      const [before, batchesBefore] = [await calls(), engine.stats.batches];
      await Promise.all(streams.map((stream) => bench.publish(stream, "y")));
      expect(engine.stats.batches - batchesBefore).toBe(1);
      expect((await calls()) - before).toBe(1);
      for (const { listener } of listened) {
        await waitUntil("both are here", () => listener.appendedCount === 2);
      }
      for (const stream of streams) {
        engine.detach(stream);
        engine.close(stream);
      }
    }
  });

  test("is subscribed to again with thousands of others when the connection is cut", async () => {
    await using server = await startRedis();
    await using bench = await startRouted(server.url);
    const names = Array.from({ length: 2500 }, (_, i) => `c${i}`);
    const attached = await Promise.all(names.map((name) => bench.attached(name)));
    await server.command("CLIENT", "KILL", "TYPE", "pubsub");
    await Promise.all(attached.map(({ stream }) => bench.publish(stream, "x")));
    await waitUntil("the subscriptions stand again", async () => {
      const channels = (await server.command("PUBSUB", "CHANNELS", "*:c:*")) as string[];
      return channels.length === names.length;
    });
    await waitUntil("all are here", () => attached.every(({ stream }) => stream.log.offset === 1));
    expect(attached.every(({ listener }) => listener.resets === 0)).toBe(true);
  });

  test("takes no pattern subscription, while others do", async () => {
    await using server = await startRedis();
    await using node = await RedisNode.start(
      optionsAt(serversAt(server.url), `t${randomId(8)}`, "a"),
    );
    await node.untilReady();
    await using client = await node.connect("ada");
    for (const pattern of [">", "user.*", "*.a"]) {
      expect(await failureOf(client.subscribe(pattern))).toMatchObject({
        code: Code.disabled.code,
      });
    }
    await client.subscribe("room.*");
    await client.publish("room.a", "x");
    await client.untilPublications(1);
  });
});
