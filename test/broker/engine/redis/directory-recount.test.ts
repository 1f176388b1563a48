import { afterAll, beforeAll, expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { Keys } from "../../../../broker/engine/redis/keys.ts";
import { FaultProxy } from "../../../support/fault-proxy.ts";
import type { ProtocolClient } from "../../../support/protocol-client.ts";
import { closeAll, tryConnect, untilCounted } from "../../../support/redis-directory.ts";
import { PARTITIONS } from "../../../support/redis-engine.ts";
import { RedisNodeProcess } from "../../../support/redis-node-process.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import { REDIS_START_LIMIT_MS, serversAt } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startCluster } from "../../../support/redis/start-cluster.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

/* Aim: a user's limit holds over all nodes from the moment on in which Redis has lost all its data, although the
   other nodes have yet to write their counts again. Method: leases so long that no renewal comes by itself. */

const LIMIT = 4;

function userKey(prefix: string): string {
  return new Keys(prefix, PARTITIONS).user("ada");
}

async function connectBy(nodes: readonly RedisNode[]): Promise<ProtocolClient[]> {
  return Promise.all(nodes.map((node) => node.connect("ada")));
}

describeWithRedis("a user's limit, when Redis has lost all its data", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  }, REDIS_START_LIMIT_MS);
  afterAll(() => server[Symbol.asyncDispose]());

  function options(prefix: string, node: string): RedisNodeOptions {
    const config = { maxConnectionsPerUser: LIMIT };
    return { topology: serversAt(server.url), prefix, node, leaseMs: 600_000, config };
  }

  test("holds for the first who comes to a node that has none of the user's connections", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options(prefix, "a"));
    await using b = await RedisNode.start(options(prefix, "b"));
    await using c = await RedisNode.start(options(prefix, "c"));
    const held = await connectBy([b, b, c, c]);
    await untilCounted(server, userKey(prefix), LIMIT);
    await server.command("FLUSHALL");
    expect(await tryConnect(a, "ada")).toBeNull();
    expect(a.engine.stats.admittedUnchecked).toBe(0);
    await untilCounted(server, userKey(prefix), LIMIT);
    await closeAll(held);
  });

  test("holds for the first who comes to a node that started afterwards", async () => {
    const prefix = `t${randomId(8)}`;
    await using b = await RedisNode.start(options(prefix, "b"));
    await using c = await RedisNode.start(options(prefix, "c"));
    const held = await connectBy([b, b, c, c]);
    await untilCounted(server, userKey(prefix), LIMIT);
    await server.command("FLUSHALL");
    await using a = await RedisNode.start(options(prefix, "a"));
    expect(await tryConnect(a, "ada")).toBeNull();
    expect([b, c].map(({ engine }) => engine.stats.leasesLost)).toEqual([1, 1]);
    await closeAll(held);
  });

  test("leaves room for as many as still fit, wherever they come at once", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options(prefix, "a"));
    await using b = await RedisNode.start(options(prefix, "b"));
    const held = await connectBy([b, b]);
    await untilCounted(server, userKey(prefix), 2);
    await server.command("FLUSHALL");
    const outcomes = await Promise.all([1, 2, 3].map(() => tryConnect(a, "ada")));
    const admitted = outcomes.filter((client) => client !== null);
    expect(admitted.length).toBe(2);
    await untilCounted(server, userKey(prefix), LIMIT);
    await closeAll([...held, ...admitted]);
    await untilCounted(server, userKey(prefix), 0);
  });

  test("is asked for at once by a node that is alone", async () => {
    await using own = await startRedis();
    const prefix = `t${randomId(8)}`;
    const topology = serversAt(own.url);
    await using a = await RedisNode.start({ ...options(prefix, "a"), topology });
    const recounting = async () =>
      own.command("EXISTS", new Keys(prefix, PARTITIONS).home("uncounted"));
    await using first = await a.connect("ada");
    expect(await recounting()).toBe(0);
    await own.command("FLUSHALL");
    await using second = await a.connect("ada");
    expect(await recounting()).toBe(0);
    expect(a.engine.stats.leasesLost).toBe(1);
    await untilCounted(own, userKey(prefix), 2);
    await Promise.all([first.ping(), second.ping()]);
  });

  test("is asked for at once by a node that starts as the last one leaves", async () => {
    const prefix = `t${randomId(8)}`;
    for (const node of ["a", "b", "c", "d", "e"]) {
      await using own = await RedisNode.start(options(prefix, node));
      await using ada = await own.connect("ada");
      expect(await server.command("EXISTS", new Keys(prefix, PARTITIONS).home("uncounted"))).toBe(
        0,
      );
      await ada.ping();
    }
  });

  test("is asked for without a node that stands still, a third of its lease later", async () => {
    const prefix = `t${randomId(8)}`;
    const leaseMs = 3000;
    await using a = await RedisNode.start({ ...options(prefix, "a"), leaseMs });
    await using frozen = await RedisNodeProcess.start({ ...options(prefix, "frozen"), leaseMs });
    await using held = await frozen.connect("ada");
    await untilCounted(server, userKey(prefix), 1);
    await frozen.freeze();
    await server.command("FLUSHALL");
    await using ada = await a.connect("ada");
    expect(a.engine.stats.admittedUnchecked).toBe(0);
    await ada.ping();
    frozen.thaw();
    await untilCounted(server, userKey(prefix), 2);
    await held.ping();
  });

  /** Who has yet to count: names of nodes. */
  async function uncounted(prefix: string): Promise<string> {
    const key = new Keys(prefix, PARTITIONS).home("uncounted");
    const runs = (await server.command("SMEMBERS", key)) as string[];
    return runs
      .map((run) => run.slice(0, run.indexOf(".")))
      .toSorted()
      .join();
  }

  test("holds however late the others hear of it", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    const topology = serversAt(`redis://127.0.0.1:${proxy.port}`);
    await using a = await RedisNode.start(options(prefix, "a"));
    await using b = await RedisNode.start({ ...options(prefix, "b"), topology });
    await using c = await RedisNode.start({ ...options(prefix, "c"), topology });
    const held = await connectBy([b, b, c, c]);
    await untilCounted(server, userKey(prefix), LIMIT);
    proxy.blackHole();
    await server.command("FLUSHALL");
    const trying = tryConnect(a, "ada");
    await waitUntil("the node waits", async () => (await uncounted(prefix)) === "b,c");
    proxy.heal();
    expect(await trying).toBeNull();
    await untilCounted(server, userKey(prefix), LIMIT);
    await closeAll(held);
  });

  test("holds after a restart, though the others come back later", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    const topology = serversAt(`redis://127.0.0.1:${proxy.port}`);
    await using a = await RedisNode.start(options(prefix, "a"));
    await using b = await RedisNode.start({ ...options(prefix, "b"), topology });
    const held = await connectBy([b, b, b, b]);
    await untilCounted(server, userKey(prefix), LIMIT);
    // It gets to know of the other, as it would within a third of a lease.
    await a.api.connections({ user: null, limit: 1, after: null });
    proxy.reset();
    await server.restart();
    await waitUntil("the node is back", () => a.engine.stats.leasesLost === 1);
    const trying = tryConnect(a, "ada");
    await waitUntil("the node waits", async () => (await uncounted(prefix)) === "b");
    proxy.heal();
    expect(await trying).toBeNull();
    expect(a.engine.stats.admittedUnchecked).toBe(0);
    await closeAll(held);
  });
});

describeWithRedis("a user's limit, when a cluster has lost all its data", () => {
  test(
    "holds for the first who comes to a node that has none of the user's connections",
    async () => {
      await using cluster = await startCluster({ hasReplicas: false });
      const topology = { type: "cluster" as const, seeds: cluster.urls };
      const config = { maxConnectionsPerUser: LIMIT };
      const options = { topology, prefix: `t${randomId(8)}`, leaseMs: 600_000, config };
      await using a = await RedisNode.start({ ...options, node: "a" });
      await using b = await RedisNode.start({ ...options, node: "b" });
      for (const node of [a, b]) await node.untilReady();
      const held = await connectBy([b, b, b, b]);
      expect(await tryConnect(a, "ada")).toBeNull();
      for (const node of cluster.nodes) await node.command("FLUSHALL");
      expect(await tryConnect(a, "ada")).toBeNull();
      expect(a.engine.stats.admittedUnchecked).toBe(0);
      await closeAll(held);
    },
    REDIS_START_LIMIT_MS,
  );
});
