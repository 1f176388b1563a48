import { afterAll, beforeAll, expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { Keys, nameHash } from "../../../../broker/engine/redis/keys.ts";
import type { ProtocolClient } from "../../../support/protocol-client.ts";
import { PARTITIONS } from "../../../support/redis-engine.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import { REDIS_START_LIMIT_MS } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisCluster } from "../../../support/redis/cluster.ts";
import { startCluster } from "../../../support/redis/start-cluster.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

const LIMIT_MS = 60_000;
const ENTER = 1;

/** All of it is the same on both nodes: who is there, who is present, and how many may come. */
async function check(nodes: readonly RedisNode[], clients: readonly ProtocolClient[]) {
  const ids = clients.map(({ connectionId }) => connectionId).toSorted();
  for (const node of nodes) {
    await waitUntil("everybody is listed and present", async () => {
      const listed = await node.api.connections({ user: null, limit: 100, after: null });
      const present = await node.api.presence("x");
      return [listed, present.toSorted((a, b) => (a.connection < b.connection ? -1 : 1))].every(
        (list) => list.map(({ connection }) => connection).join() === ids.join(),
      );
    });
  }
  const [closed, ...others] = clients;
  const order = (): Promise<number> =>
    (nodes[1] as RedisNode).api.disconnect({ connection: closed?.connectionId as string });
  expect(await order()).toBe(1);
  for (const other of others) await other.ping();
}

async function connectAll(nodes: readonly RedisNode[]): Promise<ProtocolClient[]> {
  const clients: ProtocolClient[] = [];
  for (const [index, node] of [...nodes, ...nodes].entries()) {
    const client = await node.connect(`user${index}`);
    await client.subscribe("x", { flags: ENTER });
    clients.push(client);
  }
  return clients;
}

describeWithRedis("what nodes share in a cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, REDIS_START_LIMIT_MS);
  afterAll(() => cluster[Symbol.asyncDispose](), REDIS_START_LIMIT_MS);

  function options(node: string, prefix: string): RedisNodeOptions {
    const topology = { type: "cluster" as const, seeds: cluster.urls };
    return { topology, prefix, node, leaseMs: 1800, config: { maxConnectionsPerUser: 2 } };
  }

  test(
    "goes along when the slots move to another master",
    async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(options("a", prefix));
      await using b = await RedisNode.start(options("b", prefix));
      for (const node of [a, b]) await node.untilReady();
      const clients = await connectAll([a, b]);
      const keys = new Keys(prefix, PARTITIONS);
      const names = [keys.home("nodes"), keys.presence(keys.partition("x"), nameHash("x"))];
      for (const name of names) {
        const slot = await cluster.slotOf(name);
        const from = await cluster.masterOf(slot);
        const masters = await Promise.all([0, 8000, 16_000].map((any) => cluster.masterOf(any)));
        await cluster.migrateSlot(slot, masters.find((master) => master !== from) as typeof from);
      }
      for (const node of [a, b]) await node.untilReady();
      await check([a, b], clients);
      for (const client of clients) await client[Symbol.asyncDispose]();
    },
    LIMIT_MS,
  );

  test(
    "is made whole after a failover that lost the last of it",
    async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(options("a", prefix));
      await using b = await RedisNode.start(options("b", prefix));
      for (const node of [a, b]) await node.untilReady();
      const keys = new Keys(prefix, PARTITIONS);
      const present = keys.presence(keys.partition("x"), nameHash("x"));
      let clients: ProtocolClient[] = [];
      for (const name of [keys.home("nodes"), present]) {
        const slot = await cluster.slotOf(name);
        await cluster.failoverLosingTail(slot, async () => {
          const master = await cluster.masterOf(slot);
          clients = [...clients, ...(await connectAll([a, b]))];
          // It was in Redis before it was lost.
          await waitUntil("the last has been written", async () => {
            const list = keys.home(`connections:`);
            if (name === present) return Number(await master.command("HLEN", present)) >= 4;
            const listed = (await master.command("KEYS", `${list}*:v`)) as string[];
            const lengths = listed.map(async (key) => Number(await master.command("HLEN", key)));
            return (await Promise.all(lengths)).reduce((sum, length) => sum + length, 0) >= 4;
          });
        });
        for (const client of clients.splice(0, clients.length - 4)) {
          await client[Symbol.asyncDispose]();
        }
      }
      for (const node of [a, b]) await node.untilReady();
      await check([a, b], clients);
      for (const client of clients) await client[Symbol.asyncDispose]();
    },
    LIMIT_MS,
  );
});
