import { afterAll, beforeAll, expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { Keys } from "../../../../broker/engine/redis/keys.ts";
import { shardOf } from "../../../../broker/engine/redis/partition-map.ts";
import { RedisEngine } from "../../../../broker/engine/redis/redis-engine.ts";
import type { ProtocolClient } from "../../../support/protocol-client.ts";
import {
  closeAll,
  connectionsOf,
  tryConnect,
  untilConnected,
  untilListed,
} from "../../../support/redis-directory.ts";
import { PARTITIONS, redisEngineOptions, untilReady } from "../../../support/redis-engine.ts";
import { RedisNodeProcess } from "../../../support/redis-node-process.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import {
  REDIS_START_LIMIT_MS,
  REDIS_TOPOLOGIES,
  serversAt,
} from "../../../support/redis-topologies.ts";
import type { RunningRedis } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startShards } from "../../../support/redis/start-redis.ts";
import type { RedisShards } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

const LEASE_MS = 900;

for (const { title, start } of REDIS_TOPOLOGIES) {
  describeWithRedis(`the directory over ${title}`, () => {
    let redis: RunningRedis;
    beforeAll(async () => {
      redis = await start();
    }, REDIS_START_LIMIT_MS);
    afterAll(() => redis[Symbol.asyncDispose]());

    function options(node: string, prefix: string): RedisNodeOptions {
      const config = { maxConnectionsPerUser: 4 };
      return { topology: redis.topology, prefix, node, leaseMs: LEASE_MS, config };
    }

    test("lets a user in as often as the limit says, however many nodes are asked at once", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(options("a", prefix));
      await using b = await RedisNode.start(options("b", prefix));
      await using c = await RedisNode.start(options("c", prefix));
      const nodes = Array.from({ length: 10 }, () => [a, b, c]).flat();
      const attempts = await Promise.all(nodes.map((node) => tryConnect(node, "ada")));
      const admitted = attempts.filter((client) => client !== null);
      expect(admitted.length).toBe(4);
      await using bob = await b.connect("bob");
      expect(await tryConnect(c, "ada")).toBeNull();
      await admitted.pop()?.close();
      admitted.push(await untilConnected(c, "ada"));
      expect(await tryConnect(a, "ada")).toBeNull();
      await untilListed(a, [...admitted, bob]);
      await closeAll(admitted);
      await untilListed(b, [bob]);
      const again = await Promise.all(nodes.slice(0, 4).map((node) => untilConnected(node, "ada")));
      expect(await tryConnect(b, "ada")).toBeNull();
      await closeAll(again);
    });

    test("does not count the connections of a node that crashed, nor list them, nor keep them", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(options("a", prefix));
      await using dying = await RedisNodeProcess.start(options("dying", prefix));
      const lost = [
        await dying.connect("ada"),
        await dying.connect("ada"),
        await dying.connect("bob"),
      ];
      await using ada = await a.connect("ada");
      await using other = await a.connect("ada");
      await untilListed(a, [...lost, ada, other]);
      expect(await tryConnect(a, "ada")).toBeNull();
      await dying.crash();
      await using third = await untilConnected(a, "ada");
      await using fourth = await a.connect("ada");
      expect(await tryConnect(a, "ada")).toBeNull();
      await untilListed(a, [ada, other, third, fourth]);
      await waitUntil("it is swept", () => a.engine.stats.nodesSwept === 1);
      await untilListed(a, [ada, other, third, fourth]);
    });

    test("lists the connections of all nodes, in pages, of all users and of one", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(options("a", prefix));
      await using b = await RedisNode.start(options("b", prefix));
      const clients: ProtocolClient[] = [];
      for (const [index, node] of [a, b, b, a, b, a, b].entries()) {
        clients.push(await node.connect(index % 2 === 0 ? "ada" : "bob"));
      }
      await clients[1]?.subscribe("x");
      const ids = clients.map(({ connectionId }) => connectionId).toSorted();
      for (const node of [a, b]) {
        await untilListed(node, clients);
        for (const limit of [1, 3, 7, 8]) {
          const listed = await connectionsOf(node, null, limit);
          expect(listed.map(({ connection }) => connection)).toEqual(ids);
        }
        for (const limit of [1, 2, 10]) {
          const adas = await connectionsOf(node, "ada", limit);
          expect(adas.length).toBe(4);
          expect(adas.every(({ user }) => user === "ada")).toBe(true);
        }
        expect(await connectionsOf(node, "nobody")).toEqual([]);
        // Subscriptions are told a little later.
        await waitUntil("the subscription is listed", async () => {
          const bobs = await connectionsOf(node, "bob");
          return bobs.some(({ subscriptions }) => subscriptions === 1);
        });
        const bobs = await connectionsOf(node, "bob");
        expect(bobs.find(({ connection }) => connection === clients[1]?.connectionId)).toEqual({
          connection: clients[1]?.connectionId as string,
          user: "bob",
          node: "b",
          sinceMs: expect.any(Number),
          address: "127.0.0.1",
          client: null,
          format: "msgpack",
          subscriptions: 1,
          queuedBytes: 0,
        });
      }
      await closeAll(clients);
      await untilListed(a, []);
    });

    test("lists the channels of all nodes with the sum of their subscribers", async () => {
      const prefix = `t${randomId(8)}`;
      const config = { historySize: 10, maxConnectionsPerUser: 0 };
      await using a = await RedisNode.start({ ...options("a", prefix), config });
      await using b = await RedisNode.start({ ...options("b", prefix), config });
      await using ada = await a.connect("ada");
      await using bob = await b.connect("bob");
      await using eve = await b.connect("eve");
      const names = Array.from({ length: 12 }, (_, i) => `room.${String(i).padStart(2, "0")}`);
      for (const channel of names) await ada.subscribe(channel);
      for (const channel of names.slice(0, 6)) await bob.subscribe(channel);
      await eve.subscribe("room.00");
      await eve.subscribe("*.01");
      await eve.subscribe("other");
      const { epoch, offset } = await bob.publish("room.11", "x");
      for (const node of [a, b]) {
        const list = (pattern: string, limit = 100, after: string | null = null) =>
          node.api.channels({ pattern, limit, after });
        const counts = async (pattern: string): Promise<string> => {
          const channels = await list(pattern);
          return channels.map(({ name, subscribers }) => `${name}:${subscribers}`).join(" ");
        };
        const rooms = names.map((name, i) => `${name}:${i <= 1 ? 3 : i < 6 ? 2 : 1}`).join(" ");
        await waitUntil("the counts are known", async () => (await counts("room.*")) === rooms);
        expect(await counts(">")).toBe(`other:1 ${rooms}`);
        expect(await counts("*.05")).toBe("room.05:2");
        expect(await counts("room.03")).toBe("room.03:2");
        expect(await counts("room")).toBe("");
        expect((await list(">", 2)).map(({ name }) => name)).toEqual(["other", "room.00"]);
        const page = await list("room.>", 3, "room.08");
        expect(page.map(({ name }) => name)).toEqual(["room.09", "room.10", "room.11"]);
        expect(page.at(-1)).toEqual({ name: "room.11", subscribers: 1, epoch, offset });
      }
      await bob.close();
      await waitUntil("the subscribers have left", async () => {
        const [first] = await a.api.channels({ pattern: "room.00", limit: 1, after: null });
        return first?.subscribers === 2;
      });
    });
  });
}

describeWithRedis("a node that starts", () => {
  let shards: RedisShards;
  beforeAll(async () => {
    shards = await startShards(2);
  }, REDIS_START_LIMIT_MS);
  afterAll(() => shards[Symbol.asyncDispose]());

  function optionsWithin(startWindowMs: number) {
    const options = redisEngineOptions(serversAt(...shards.urls));
    return { ...options, startWindowMs, leaseMs: LEASE_MS };
  }

  /** Without a lease, what it lets in is counted by nobody else. */
  test("is one of the nodes before it serves, when that can be had in time", async () => {
    const home = shards.servers[shardOf(0, 2)] as RedisServer;
    const other = shards.servers[1 - shardOf(0, 2)] as RedisServer;
    const options = optionsWithin(REDIS_START_LIMIT_MS);
    const engine = new RedisEngine(options);
    const keys = new Keys(options.prefix, PARTITIONS);
    await home.stop();
    let isStarted = false;
    const starting = engine.start().then(() => {
      isStarted = true;
    });
    await waitUntil("the other server was looked at", async () => {
      const settings = (await other.info("commandstats")).get("cmdstat_config|get") ?? "";
      return (await other.command("EXISTS", keys.config)) === 1 && /calls=[2-9]/.test(settings);
    });
    expect(isStarted).toBe(false);
    await home.resume();
    await starting;
    const [lease] = (await home.command("SMEMBERS", keys.home("nodes"))) as string[];
    expect(await home.command("EXISTS", keys.home(`lease:${lease}`))).toBe(1);
    await engine.stop();
  });

  test("starts all the same when it cannot", async () => {
    const home = shards.servers[shardOf(0, 2)] as RedisServer;
    const engine = new RedisEngine(optionsWithin(1));
    await home.stop();
    await engine.start();
    expect(engine.isReady()).toBe(false);
    await home.resume();
    await untilReady(engine);
    await engine.stop();
  });
});
