import { afterAll, beforeAll, expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { Keys } from "../../../../broker/engine/redis/keys.ts";
import { FaultProxy } from "../../../support/fault-proxy.ts";
import {
  connectionsOf,
  tryConnect,
  untilConnected,
  untilCounted,
  untilListed,
} from "../../../support/redis-directory.ts";
import { PARTITIONS } from "../../../support/redis-engine.ts";
import { RedisNodeProcess } from "../../../support/redis-node-process.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import { REDIS_START_LIMIT_MS, serversAt } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";
import { rejection } from "../../../support/rejection.ts";

const LEASE_MS = 900;

function userKey(prefix: string): string {
  return new Keys(prefix, PARTITIONS).user("ada");
}

describeWithRedis("the directory, when something breaks", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  }, REDIS_START_LIMIT_MS);
  afterAll(() => server[Symbol.asyncDispose]());

  function options(node: string, prefix: string, url = server.url): RedisNodeOptions {
    const config = { maxConnectionsPerUser: 2 };
    return { topology: serversAt(url), prefix, node, leaseMs: LEASE_MS, config };
  }

  test("is written again when Redis is restarted without its data", async () => {
    const prefix = `t${randomId(8)}`;
    // Without a history that is lost as well, and with it the subscriptions.
    const config = { maxConnectionsPerUser: 2, historySize: 0 };
    await using a = await RedisNode.start({ ...options("a", prefix), config });
    await using b = await RedisNode.start({ ...options("b", prefix), config });
    await using ada = await a.connect("ada");
    await using other = await b.connect("ada");
    await ada.subscribe("x");
    await other.subscribe("x");
    await untilListed(a, [ada, other]);
    await server.restart();
    await untilListed(a, [ada, other]);
    await untilListed(b, [ada, other]);
    await untilCounted(server, userKey(prefix), 2);
    expect(await tryConnect(a, "ada")).toBeNull();
    await waitUntil("the channel is listed with both", async () => {
      const [channel] = await b.api.channels({ pattern: ">", limit: 1, after: null });
      return channel?.subscribers === 2;
    });
    expect([a.engine.stats.leasesLost, b.engine.stats.leasesLost]).toEqual([1, 1]);
  });

  test("notices at the next connection that Redis has lost its data, not only in time", async () => {
    const prefix = `t${randomId(8)}`;
    // So long that no renewal comes meanwhile.
    await using a = await RedisNode.start({ ...options("a", prefix), leaseMs: 60_000 });
    await using ada = await a.connect("ada");
    await untilListed(a, [ada]);
    await server.command("FLUSHALL");
    await using other = await a.connect("ada");
    expect(a.engine.stats.leasesLost).toBe(1);
    expect(a.engine.stats.admittedUnchecked).toBe(0);
    await using b = await RedisNode.start(options("b", prefix));
    await untilListed(b, [ada, other]);
    await untilCounted(server, userKey(prefix), 2);
    expect(await tryConnect(b, "ada")).toBeNull();
  });

  test("is written again by all nodes when one of them notices that Redis has lost its data", async () => {
    const prefix = `t${randomId(8)}`;
    // So long that no renewal comes meanwhile.
    const config = { maxConnectionsPerUser: 3 };
    await using a = await RedisNode.start({ ...options("a", prefix), leaseMs: 600_000, config });
    await using b = await RedisNode.start({ ...options("b", prefix), leaseMs: 600_000, config });
    await using ada = await a.connect("ada");
    await using second = await a.connect("ada");
    await untilCounted(server, userKey(prefix), 2);
    await server.command("FLUSHALL");
    await using third = await b.connect("ada");
    await untilCounted(server, userKey(prefix), 3);
    expect(await tryConnect(b, "ada")).toBeNull();
    await untilListed(b, [ada, second, third]);
    expect([a.engine.stats.leasesLost, b.engine.stats.leasesLost]).toEqual([1, 1]);
  });

  test("counts and lists nobody of a node that crashed, before anybody has deleted anything", async () => {
    const prefix = `t${randomId(8)}`;
    // The reader sweeps by its own timings, so not for seconds.
    await using reader = await RedisNode.start({ ...options("reader", prefix), leaseMs: 12_000 });
    await using dying = await RedisNodeProcess.start(options("dying", prefix));
    const lost = [await dying.connect("ada"), await dying.connect("ada")];
    await untilListed(reader, lost);
    expect(await tryConnect(reader, "ada")).toBeNull();
    await dying.crash();
    await using ada = await untilConnected(reader, "ada");
    await untilListed(reader, [ada]);
    const counts = await server.command("HLEN", userKey(prefix));
    expect(counts).toBe(2);
    expect(reader.engine.stats.nodesSwept).toBe(0);
  });

  test("of a node that stood still and goes on is there again", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await using frozen = await RedisNodeProcess.start(options("frozen", prefix));
    await using ada = await frozen.connect("ada");
    await using bob = await a.connect("bob");
    await untilListed(a, [ada, bob]);
    await frozen.freeze();
    await waitUntil("it is swept", () => a.engine.stats.nodesSwept === 1);
    await untilListed(a, [bob]);
    frozen.thaw();
    await untilListed(a, [ada, bob]);
    await untilCounted(server, userKey(prefix), 1);
    await using second = await a.connect("ada");
    expect(await tryConnect(a, "ada")).toBeNull();
    await untilListed(a, [ada, bob, second]);
  });

  test("is mended when Redis has lost some of it", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await using b = await RedisNode.start(options("b", prefix));
    await using ada = await b.connect("ada");
    await ada.subscribe("x");
    const channels = async (): Promise<string> =>
      (await a.api.channels({ pattern: ">", limit: 9, after: null }))
        .map(({ name }) => name)
        .join();
    await untilListed(a, [ada]);
    await waitUntil("the channel is listed", async () => (await channels()) === "x");
    const keys = (await server.command("KEYS", `${prefix}:*`)) as string[];
    const lists = keys.filter((key) => /:(connections|channels|u):/.test(key));
    expect(await server.command("DEL", ...lists)).toBe(5);
    await waitUntil("it is noticed", () => b.logged("directory_repaired") > 0);
    await untilListed(a, [ada]);
    await untilCounted(server, userKey(prefix), 1);
    await waitUntil("the channel is listed again", async () => (await channels()) === "x");
  });

  test("keeps nothing in Redis of a node that crashed, once it is swept", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await using dying = await RedisNodeProcess.start(options("dying", prefix));
    const ada = await dying.connect("ada");
    await ada.subscribe("x", { flags: 1 });
    await untilListed(a, [ada]);
    await dying.crash();
    await waitUntil("it is swept", () => a.engine.stats.nodesSwept === 1);
    const names = (await server.command("KEYS", `${prefix}:*`)) as string[];
    const left = names.filter((name) => name.includes("dying") || /:[up]:/.test(name));
    // What it would learn of its end by, should it only have been asleep.
    expect(left.map((name) => name.replace(/:dying.*/, ""))).toEqual([
      new Keys(prefix, PARTITIONS).home("gone"),
    ]);
  });

  test("falls back to this node's own count while Redis is away, and makes up for it afterwards", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    await using cut = await RedisNode.start(
      options("cut", prefix, `redis://127.0.0.1:${proxy.port}`),
    );
    await using a = await RedisNode.start(options("a", prefix));
    await using first = await a.connect("ada");
    await using second = await a.connect("ada");
    expect(await tryConnect(cut, "ada")).toBeNull();
    proxy.reset();
    await waitUntil("it is cut off", () => !cut.engine.isReady());
    await using third = await cut.connect("ada");
    await using fourth = await cut.connect("ada");
    expect(await tryConnect(cut, "ada")).toBeNull();
    expect(cut.engine.stats.admittedUnchecked).toBe(2);
    expect(cut.logged("user_limit_per_node_only")).toBe(1);
    const own = [third, fourth].map(({ connectionId }) => connectionId).toSorted();
    const listed = await connectionsOf(cut, "ada");
    expect(listed.map(({ connection }) => connection).filter((id) => own.includes(id))).toEqual(
      own,
    );
    proxy.heal();
    await untilListed(a, [first, second, third, fourth]);
    await untilListed(cut, [first, second, third, fourth]);
    await Promise.all([first.close(), second.close()]);
    await untilListed(cut, [third, fourth]);
    await untilCounted(server, userKey(prefix), 2);
    expect(await tryConnect(a, "ada")).toBeNull();
  });

  test("holds whatever becomes of connections that come and go while Redis is away", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    await using cut = await RedisNode.start(
      options("cut", prefix, `redis://127.0.0.1:${proxy.port}`),
    );
    await using a = await RedisNode.start(options("a", prefix));
    const before = await cut.connect("ada");
    await untilListed(a, [before]);
    // Nothing is answered, so nobody knows what Redis has done.
    proxy.halfOpen("toClient");
    const passing = await cut.connect("bob");
    await using staying = await cut.connect("eve");
    await before.close();
    await passing.close();
    proxy.heal();
    await untilListed(a, [staying]);
    const keys = new Keys(prefix, PARTITIONS);
    await waitUntil("nothing is left of those who went", async () => {
      const counts = await server.command("EXISTS", keys.user("ada"), keys.user("bob"));
      return counts === 0 && (await server.command("EXISTS", keys.user("eve"))) === 1;
    });
  });

  test("with something else under a key says which, and lets users in by this node's count", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    const key = userKey(prefix);
    await server.command("SET", key, "something else");
    await using first = await a.connect("ada");
    await using second = await a.connect("ada");
    expect(await tryConnect(a, "ada")).toBeNull();
    const entry = a.logger.entries.find(({ event }) => event === "user_limit_per_node_only");
    expect(String(entry?.fields["error"])).toContain(key);
    await using bob = await a.connect("bob");
    await using b = await RedisNode.start(options("b", prefix));
    await untilListed(b, [first, second, bob]);
    expect(await server.command("GET", key)).toBe("something else");
  });

  test("keeps nothing in Redis of a node that has stopped", async () => {
    const prefix = `t${randomId(8)}`;
    const keys = async (): Promise<string[]> =>
      ((await server.command("KEYS", `${prefix}:*`)) as string[]).filter(
        (key) => !/:(cfg|m:.*)$/.test(key),
      );
    {
      await using a = await RedisNode.start(options("a", prefix));
      await using ada = await a.connect("ada");
      await ada.subscribe("x", { flags: 1 });
      await waitUntil("its channel is listed", async () =>
        (await keys()).some((key) => key.includes(":channels:")),
      );
      expect((await keys()).length).toBeGreaterThan(5);
    }
    expect(await keys()).toEqual([]);
  });

  test("of a user is closed over HTTP, on whichever node, and told how many", async () => {
    const prefix = `t${randomId(8)}`;
    const apiKeys = ["0123456789abcdef"];
    const config = { maxConnectionsPerUser: 2, apiKeys };
    await using a = await RedisNode.start({ ...options("a", prefix), config });
    await using b = await RedisNode.start({ ...options("b", prefix), config });
    await using here = await a.connect("ada");
    await using there = await b.connect("ada");
    const headers = { "x-api-key": apiKeys[0] as string, "content-type": "application/json" };
    const url = a.url.replace(/^ws/, "http");
    const answer = await fetch(`${url}/v1/disconnect`, {
      method: "POST",
      headers,
      body: JSON.stringify({ user: "ada" }),
    });
    expect(await answer.json()).toEqual({ closed: 2 });
    expect((await here.untilClosed()).code).toBe(4017);
    expect((await there.untilClosed()).code).toBe(4017);
    await untilListed(a, []);
    expect(await rejection(here.ping())).toBeDefined();
  });
});
