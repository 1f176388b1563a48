import { afterAll, beforeAll, expect, test } from "bun:test";

import { randomId } from "../../../broker/engine/epoch.ts";
import type { ProtocolClient } from "../../support/protocol-client.ts";
import {
  closeAll,
  tryConnect,
  untilConnected,
  untilListed,
} from "../../support/redis-directory.ts";
import { RedisNode } from "../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../support/redis-node.ts";
import { ENTER } from "../../support/redis-presence.ts";
import { REDIS_START_LIMIT_MS, sentinelAt } from "../../support/redis-topologies.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startSentinel } from "../../support/redis/sentinel.ts";
import type { RedisSentinel } from "../../support/redis/sentinel.ts";
import { waitUntil } from "../../support/redis/wait.ts";

/* Aim: connections, presence and limits outlive a failover of a master that Sentinels watch, whether or not the
   replica had all of it. Method: two nodes, and the master is killed. */

const LIMIT_MS = 90_000;
const CHANNEL = "x";

/** Everybody is listed, present and counted, whichever node is asked. */
async function expectWhole(
  nodes: readonly RedisNode[],
  clients: readonly ProtocolClient[],
): Promise<void> {
  const ids = clients.map(({ connectionId }) => connectionId).toSorted();
  for (const node of nodes) {
    await node.untilReady();
    await untilListed(node, clients);
    let found: string[] = [];
    const describe = (): string => `${found.join()} instead of ${ids.join()}`;
    await waitUntil(
      "everybody is present",
      async () => {
        const present = await node.api.presence(CHANNEL);
        found = present.map(({ connection }) => connection).toSorted();
        return found.join() === ids.join();
      },
      { describe },
    );
    // The user has as many connections as the limit allows.
    await waitUntil("nobody more is let in", async () => {
      const client = await tryConnect(node, "ada");
      await client?.[Symbol.asyncDispose]();
      return client === null;
    });
  }
}

async function connectAll(nodes: readonly RedisNode[]): Promise<ProtocolClient[]> {
  const clients: ProtocolClient[] = [];
  for (const node of [...nodes, ...nodes]) {
    const client = await untilConnected(node, "ada");
    await client.subscribe(CHANNEL, { flags: ENTER });
    clients.push(client);
  }
  return clients;
}

describeWithRedis("what nodes share over a master that Sentinels watch", () => {
  let sentinel: RedisSentinel;
  beforeAll(async () => {
    sentinel = await startSentinel();
  }, REDIS_START_LIMIT_MS);
  afterAll(() => sentinel[Symbol.asyncDispose](), REDIS_START_LIMIT_MS);

  function options(node: string, prefix: string): RedisNodeOptions {
    // Without history no subscription can be ended by what a failover does to a stream.
    const config = { maxConnectionsPerUser: 4, historySize: 0 };
    return { topology: sentinelAt(sentinel), prefix, node, leaseMs: 3000, config };
  }

  test(
    "outlives the death of the master",
    async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await RedisNode.start(options("a", prefix));
      await using b = await RedisNode.start(options("b", prefix));
      for (const node of [a, b]) await node.untilReady();
      const clients = await connectAll([a, b]);
      await expectWhole([a, b], clients);
      const master = await sentinel.master();
      await master.kill9();
      await waitUntil("the replica has taken over", async () => {
        return (await sentinel.master()) !== master;
      });
      await expectWhole([a, b], clients);
      // Who leaves makes room, on both nodes.
      await clients.pop()?.close();
      clients.push(await untilConnected(a, "ada"));
      await clients.at(-1)?.subscribe(CHANNEL, { flags: ENTER });
      await expectWhole([a, b], clients);
      expect(await b.api.disconnect({ user: "ada" })).toBe(4);
      await Promise.all(clients.map((client) => client.untilClosed()));
      await master.restart();
      await sentinel.untilReplicating();
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
      const lost = await sentinel.master();
      let clients: ProtocolClient[] = [];
      await sentinel.failoverLosingTail(async () => {
        clients = await connectAll([a, b]);
        await expectWhole([a, b], clients);
      });
      await expectWhole([a, b], clients);
      await lost.restart();
      await sentinel.untilReplicating();
      await closeAll(clients);
    },
    LIMIT_MS,
  );
});
