import { afterAll, beforeAll, expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { Keys } from "../../../../broker/engine/redis/keys.ts";
import type { RedisTopologyOptions } from "../../../../broker/engine/redis/redis-engine.ts";
import { NAMESPACE, RecordingListener } from "../../../contract/engine-harness.ts";
import type { EngineFactory } from "../../../contract/engine-harness.ts";
import { presenceContract } from "../../../contract/engine-presence.ts";
import { PARTITIONS, redisFactory } from "../../../support/redis-engine.ts";
import { RedisNodeProcess } from "../../../support/redis-node-process.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import { ENTER, told, untilPresent, untilTold, WATCH } from "../../../support/redis-presence.ts";
import { REDIS_START_LIMIT_MS, REDIS_TOPOLOGIES } from "../../../support/redis-topologies.ts";
import type { RunningRedis } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

const LEASE_MS = 900;

/** Engines that are settled when what was asked before, on any partition, has been told here. */
function presenceFactory(topology: () => RedisTopologyOptions): EngineFactory {
  const factory = redisFactory(topology);
  return {
    ...factory,
    async create(settings) {
      const under = await factory.create(settings);
      const { engine } = under;
      const listeners: RecordingListener[] = [];
      return {
        ...under,
        async settle() {
          await waitUntil("the engine is ready", () => engine.isReady());
          const streams = oneOfEachPartition().map((marker) => engine.open(marker, NAMESPACE));
          const connection = `c_${randomId(8)}`;
          for (const stream of streams) {
            if (listeners.length < streams.length) {
              listeners.push(new RecordingListener(stream));
              await engine.attach(stream);
            }
            // In each partition changes are told in the order in which they were made.
            engine.enterPresence(stream, { connection, user: null });
          }
          await waitUntil("the markers have joined", () =>
            listeners.every(({ presence }) => presence.includes(`join ${connection} -`)),
          );
        },
      };
    },
  };
}

/** Names of channels that lie in as many partitions. */
function oneOfEachPartition(): string[] {
  const keys = new Keys("any", PARTITIONS);
  const found = new Map<number, string>();
  for (let i = 0; found.size < PARTITIONS; i++) found.set(keys.partition(`m${i}`), `m${i}`);
  return [...found.values()];
}

for (const { title, start } of REDIS_TOPOLOGIES) {
  describeWithRedis(`presence over ${title}`, () => {
    let redis: RunningRedis;
    beforeAll(async () => {
      redis = await start();
    }, REDIS_START_LIMIT_MS);
    afterAll(() => redis[Symbol.asyncDispose]());

    function options(node: string, prefix: string): RedisNodeOptions {
      return { topology: redis.topology, prefix, node, leaseMs: LEASE_MS };
    }

    presenceContract(presenceFactory(() => redis.topology));

    test("is the same on every node, and every change is told once to whoever watches", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(options("a", prefix));
      await using b = await RedisNode.start(options("b", prefix));
      await using here = await a.connect("here");
      await using there = await b.connect("there");
      await using pattern = await b.connect("pattern");
      for (const client of [here, there]) await client.subscribe("room.1", { flags: WATCH });
      await pattern.subscribe("room.*", { flags: WATCH });
      await here.publish("room.1", "announces the channel to the pattern");
      await pattern.untilPublications(1);

      await using ada = await a.connect("ada");
      await using bob = await b.connect("bob");
      await ada.subscribe("room.1", { flags: ENTER });
      await bob.subscribe("room.1", { flags: ENTER | WATCH });
      await untilPresent(here, "room.1", ["ada", "bob"]);
      await untilPresent(there, "room.1", ["ada", "bob"]);
      expect(await a.api.presence("room.1")).toContainEqual({
        connection: bob.connectionId,
        user: "bob",
      });
      await ada.unsubscribe("room.1");
      await untilTold(bob, "leave ada");
      bob.terminate();
      for (const client of [here, there, pattern]) {
        await untilTold(client, "leave bob");
        const words = told(client);
        expect(words.toSorted()).toEqual(["join ada", "join bob", "leave ada", "leave bob"]);
        expect(words.indexOf("leave ada")).toBeGreaterThan(words.indexOf("join ada"));
      }
      expect(await here.presence("room.1")).toEqual([]);
      expect(await there.presence("room.1")).toEqual([]);
    });

    test("of a node that crashed is gone, its leaving told once, and nothing of it stays", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(options("a", prefix));
      await using b = await RedisNode.start(options("b", prefix));
      await using dying = await RedisNodeProcess.start(options("dying", prefix));
      const watchers = [await a.connect("w1"), await b.connect("w2")] as const;
      const channels = ["x", "y", "z"];
      for (const watcher of watchers) {
        for (const channel of channels) await watcher.subscribe(channel, { flags: WATCH });
      }
      const ada = await dying.connect("ada");
      for (const channel of channels) await ada.subscribe(channel, { flags: ENTER });
      for (const channel of channels) await untilPresent(watchers[0], channel, ["ada"]);
      await dying.crash();
      const joinsAndLeaves = channels.flatMap(() => ["join ada", "leave ada"]).toSorted();
      for (const watcher of watchers) {
        for (const channel of channels) await untilPresent(watcher, channel, []);
        await watcher.until(() => told(watcher).length >= 2 * channels.length);
      }
      await waitUntil(
        "it is swept",
        () => a.engine.stats.nodesSwept + b.engine.stats.nodesSwept > 0,
      );
      // What comes later on the same channels is told after anything of the sweep.
      await using bob = await a.connect("bob");
      for (const channel of channels) await bob.subscribe(channel, { flags: ENTER });
      for (const watcher of watchers) {
        await watcher.until(() => told(watcher).length >= 3 * channels.length);
        expect(
          told(watcher)
            .filter((word) => word.endsWith("ada"))
            .toSorted(),
        ).toEqual(joinsAndLeaves);
      }
      expect(a.engine.stats.nodesSwept + b.engine.stats.nodesSwept).toBe(1);
      for (const watcher of watchers) await watcher[Symbol.asyncDispose]();
    });
  });
}
