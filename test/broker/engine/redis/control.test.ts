import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { readControlMessage } from "../../../../broker/engine/redis/control-message.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import { connectWith, DISCONNECTED, oldToken, REVOKED } from "../../../support/redis-orders.ts";
import { REDIS_START_LIMIT_MS, REDIS_TOPOLOGIES } from "../../../support/redis-topologies.ts";
import type { RunningRedis } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import { rejection } from "../../../support/rejection.ts";

/** So long that nothing here happens because a lease is renewed; except where a test says otherwise. */
const LEASE_MS = 60_000;

for (const { title, start } of REDIS_TOPOLOGIES) {
  describeWithRedis(`orders over ${title}`, () => {
    let redis: RunningRedis;
    beforeAll(async () => {
      redis = await start();
    }, REDIS_START_LIMIT_MS);
    afterAll(() => redis[Symbol.asyncDispose]());

    function options(node: string, prefix: string): RedisNodeOptions {
      return { topology: redis.topology, prefix, node, leaseMs: LEASE_MS };
    }

    async function startNode(name: string, prefix: string): Promise<RedisNode> {
      const node = await RedisNode.start(options(name, prefix));
      await node.untilReady();
      return node;
    }

    test("disconnect a user, or one connection, wherever it is, and say how many", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await startNode("a", prefix);
      await using b = await startNode("b", prefix);
      await using c = await startNode("c", prefix);
      const ada = [await a.connect("ada"), await b.connect("ada"), await c.connect("ada")];
      await using bob = await b.connect("bob");
      await using eve = await b.connect("eve");
      expect(await a.api.disconnect({ user: "ada" })).toBe(3);
      for (const client of ada) expect((await client.untilClosed()).code).toBe(DISCONNECTED);
      expect(await a.api.disconnect({ user: "ada" })).toBe(0);
      expect(await c.api.disconnect({ connection: bob.connectionId })).toBe(1);
      expect((await bob.untilClosed()).code).toBe(DISCONNECTED);
      expect(await c.api.disconnect({ connection: "c_nobody" })).toBe(0);
      expect(await b.api.disconnect({ connection: eve.connectionId })).toBe(1);
      await using again = await b.connect("ada");
      await again.ping();
    });

    test("revoke a user's tokens and single tokens, on nodes that run and on those that start later", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await startNode("a", prefix);
      await using b = await startNode("b", prefix);
      const [adas, bobs, bobsOther] = [
        await oldToken("ada"),
        await oldToken("bob", "t1"),
        await oldToken("bob", "t2"),
      ];
      await using ada = await connectWith(b, adas);
      await using bob = await connectWith(b, bobs);
      await using other = await connectWith(b, bobsOther);
      expect(await a.api.revoke({ user: "ada" })).toBe(1);
      expect((await ada.untilClosed()).code).toBe(REVOKED);
      expect(await a.api.revoke({ tokenId: "t1" })).toBe(1);
      expect((await bob.untilClosed()).code).toBe(REVOKED);
      await other.ping();
      await using late = await startNode("late", prefix);
      for (const node of [a, b, late]) {
        for (const token of [adas, bobs]) {
          expect(await rejection(connectWith(node, token))).toMatchObject({ code: REVOKED });
        }
        await using fine = await connectWith(node, bobsOther);
        await fine.ping();
      }
    });
  });
}

describe("a control message", () => {
  test("is read back as it was written, and nothing else is taken for one", () => {
    const message = { type: "revoke", from: "n.1", id: "x", text: '["user","ä"]', atMs: 5 };
    expect(readControlMessage(Buffer.from(JSON.stringify({ ...message, more: 1 })))).toEqual(
      message as never,
    );
    for (const bad of ["", "[]", "7", '{"type":"done","id":"x"}', '{"type":"sync"']) {
      expect(readControlMessage(Buffer.from(bad))).toBeNull();
    }
  });
});
