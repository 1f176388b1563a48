import { afterAll, beforeAll, expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { Keys, nameHash } from "../../../../broker/engine/redis/keys.ts";
import { FaultProxy } from "../../../support/fault-proxy.ts";
import { PARTITIONS } from "../../../support/redis-engine.ts";
import { RedisNodeProcess } from "../../../support/redis-node-process.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import {
  ENTER,
  told,
  untilPresent,
  untilTold,
  users,
  WATCH,
} from "../../../support/redis-presence.ts";
import { REDIS_START_LIMIT_MS, serversAt } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";
import { rejection } from "../../../support/rejection.ts";

const LEASE_MS = 900;

describeWithRedis("presence, when something breaks", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  }, REDIS_START_LIMIT_MS);
  afterAll(() => server[Symbol.asyncDispose]());

  function options(node: string, prefix: string, leaseMs = LEASE_MS): RedisNodeOptions {
    return { topology: serversAt(server.url), prefix, node, leaseMs };
  }

  test("of a node that stood still and goes on is there again", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await using frozen = await RedisNodeProcess.start(options("frozen", prefix));
    await using watcher = await a.connect("w");
    await watcher.subscribe("x", { flags: WATCH });
    await using ada = await frozen.connect("ada");
    await ada.subscribe("x", { flags: ENTER });
    await untilTold(watcher, "join ada");
    await frozen.freeze();
    await untilTold(watcher, "leave ada");
    expect(await users(watcher, "x")).toEqual([]);
    frozen.thaw();
    await watcher.until(() => told(watcher).length === 3);
    expect(told(watcher)).toEqual(["join ada", "leave ada", "join ada"]);
    await untilPresent(watcher, "x", ["ada"]);
    await ada.unsubscribe("x");
    await watcher.until(() => told(watcher).length === 4);
    expect(await users(watcher, "x")).toEqual([]);
  });

  test("of a node that crashed is gone for readers before anybody has deleted anything", async () => {
    const prefix = `t${randomId(8)}`;
    // The reader sweeps by its own timings, so not for seconds.
    await using reader = await RedisNode.start(options("reader", prefix, 12_000));
    await using dying = await RedisNodeProcess.start(options("dying", prefix));
    await using bob = await reader.connect("bob");
    await bob.subscribe("x", { flags: ENTER });
    const ada = await dying.connect("ada");
    await ada.subscribe("x", { flags: ENTER });
    await untilPresent(bob, "x", ["ada", "bob"]);
    await dying.crash();
    await untilPresent(bob, "x", ["bob"]);
    const keys = new Keys(prefix, PARTITIONS);
    const present = keys.presence(keys.partition("x"), nameHash("x"));
    expect(await server.command("HLEN", present)).toBe(2);
    expect(reader.engine.stats.nodesSwept).toBe(0);
  });

  test("is written again when Redis loses its data, and nobody is told of what has not changed", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await using b = await RedisNode.start(options("b", prefix));
    await using watcher = await a.connect("w");
    await watcher.subscribe("x", { flags: WATCH });
    await using ada = await b.connect("ada");
    await using bob = await b.connect("bob");
    for (const client of [ada, bob]) await client.subscribe("x", { flags: ENTER });
    await untilPresent(watcher, "x", ["ada", "bob"]);
    await server.command("FLUSHALL");
    await waitUntil("the node has noticed", () => b.engine.stats.leasesLost > 0);
    await untilPresent(watcher, "x", ["ada", "bob"]);
    await ada.unsubscribe("x");
    await untilTold(watcher, "leave ada");
    expect(told(watcher)).toEqual(["join ada", "join bob", "leave ada"]);
    await untilPresent(watcher, "x", ["bob"]);
  });

  test("is told of somebody who leaves while Redis has forgotten that they were there", async () => {
    const prefix = `t${randomId(8)}`;
    // So long that nothing is written again meanwhile.
    await using a = await RedisNode.start(options("a", prefix, 60_000));
    await using watcher = await a.connect("w");
    await watcher.subscribe("x", { flags: WATCH });
    await using ada = await a.connect("ada");
    await ada.subscribe("x", { flags: ENTER });
    await untilTold(watcher, "join ada");
    await server.command("FLUSHALL");
    await ada.unsubscribe("x");
    await untilTold(watcher, "leave ada");
    expect(told(watcher)).toEqual(["join ada", "leave ada"]);
  });

  test("is mended when Redis has lost, or kept, some of it", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await using b = await RedisNode.start(options("b", prefix));
    await using watcher = await a.connect("w");
    await using ada = await b.connect("ada");
    await ada.subscribe("x", { flags: ENTER });
    await untilPresent(watcher, "x", ["ada"]);
    const keys = new Keys(prefix, PARTITIONS);
    const partition = keys.partition("x");
    const present = keys.presence(partition, nameHash("x"));
    const entry = (await server.command("HGETALL", present)) as unknown[];
    const [connection, value] = entry.map(String) as [string, string];
    const lease = value.slice(0, value.indexOf(" "));
    const index = keys.presenceIndex(partition, lease);
    await server.command("DEL", present, index);
    await untilPresent(watcher, "x", []);
    await untilPresent(watcher, "x", ["ada"]);
    // As after a failover that lost the last writes: somebody is there who has left.
    await server.command("HSET", present, "c_ghost", value);
    await server.command("SADD", index, "x c_ghost");
    await waitUntil("the ghost is gone", async () => {
      const left = await server.command("HKEYS", present);
      return String(left) === connection;
    });
    expect(b.logged("presence_repaired")).toBeGreaterThan(0);
  });

  test("of a node that took a new lease is left alone when what it had under the old one is deleted", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await using watcher = await a.connect("w");
    await watcher.subscribe("x", { flags: WATCH });
    await using ada = await a.connect("ada");
    await ada.subscribe("x", { flags: ENTER });
    await untilTold(watcher, "join ada");
    // What is left of the old lease names a connection that is there under the new one.
    const keys = new Keys(prefix, PARTITIONS);
    const index = keys.presenceIndex(keys.partition("x"), "a.old.1");
    await server.command("SADD", index, `x ${ada.connectionId}`);
    await server.command("SADD", keys.home("dead"), "a.old.1");
    await waitUntil("it is swept", () => a.engine.stats.nodesSwept === 1);
    expect(await server.command("EXISTS", index)).toBe(0);
    const present = keys.presence(keys.partition("x"), nameHash("x"));
    expect(await server.command("HEXISTS", present, ada.connectionId)).toBe(1);
    await ada.unsubscribe("x");
    await untilTold(watcher, "leave ada");
    expect(told(watcher)).toEqual(["join ada", "leave ada"]);
  });

  test("cannot be read while Redis is away, and what happened meanwhile is there afterwards", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    const topology = serversAt(`redis://127.0.0.1:${proxy.port}`);
    await using cut = await RedisNode.start({ topology, prefix, node: "cut", leaseMs: LEASE_MS });
    await using a = await RedisNode.start(options("a", prefix));
    await using watcher = await a.connect("w");
    await watcher.subscribe("x", { flags: WATCH });
    await using ada = await cut.connect("ada");
    await using bob = await cut.connect("bob");
    await ada.subscribe("x", { flags: ENTER });
    await bob.subscribe("x");
    await untilPresent(watcher, "x", ["ada"]);
    proxy.reset();
    await waitUntil("it is cut off", () => !cut.engine.isReady());
    await waitUntil("it cannot be asked", async () => {
      const refusal = await rejection(bob.presence("x"));
      return (refusal as { code: number }).code === 4105;
    });
    await bob.unsubscribe("x");
    await bob.subscribe("x", { flags: ENTER });
    await ada.unsubscribe("x");
    proxy.heal();
    await untilPresent(watcher, "x", ["bob"]);
    await untilPresent(bob, "x", ["bob"]);
  });

  test("on a key that holds something else is refused with the key's name, and only there", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await using b = await RedisNode.start(options("b", prefix));
    const keys = new Keys(prefix, PARTITIONS);
    const key = keys.presence(keys.partition("x"), nameHash("x"));
    await server.command("SET", key, "something else");
    await using ada = await a.connect("ada");
    await using watcher = await b.connect("w");
    for (const channel of ["x", "y"]) await ada.subscribe(channel, { flags: ENTER });
    await untilPresent(watcher, "y", ["ada"]);
    const refusal = await rejection(watcher.presence("x"));
    expect(refusal).toMatchObject({ code: 4100 });
    expect(String(refusal)).toContain(key);
    await waitUntil("it is logged", () => a.logged("redis_foreign_value") > 0);
    await ada.publish("x", "the channel works all the same");
    expect(await server.command("GET", key)).toBe("something else");
  });
});
