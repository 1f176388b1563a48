import { expect, test } from "bun:test";

import { randomId } from "../../../broker/engine/epoch.ts";
import { Keys } from "../../../broker/engine/redis/keys.ts";
import { closeAll, tryConnect, untilCounted } from "../../support/redis-directory.ts";
import { PARTITIONS } from "../../support/redis-engine.ts";
import { RedisNode } from "../../support/redis-node.ts";
import { serversAt } from "../../support/redis-topologies.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { waitUntil } from "../../support/redis/wait.ts";

/* Aim: how many connections a user has is right again after a failover that lost the last word on it, although
   nothing else was lost that would show it. Method: the counts are changed in Redis, and the connections cut. */

const LIMIT_MS = 60_000;

describeWithRedis("counts of connections that a failover lost", () => {
  test(
    "are written again once Redis is back: of those who are here, and of those who have left",
    async () => {
      await using redis = await startRedis();
      const prefix = `t${randomId(8)}`;
      const options = { topology: serversAt(redis.url), prefix, leaseMs: 3000 };
      const config = { maxConnectionsPerUser: 2 };
      await using a = await RedisNode.start({ ...options, node: "a", config });
      await using b = await RedisNode.start({ ...options, node: "b", config });
      for (const node of [a, b]) await node.untilReady();
      const keys = new Keys(prefix, PARTITIONS);
      const here = [await b.connect("ada"), await b.connect("ada")];
      const gone = [await b.connect("bob"), await b.connect("bob")];
      await untilCounted(redis, keys.user("bob"), 2);
      const [lease = ""] = (await redis.command("HKEYS", keys.user("bob"))) as string[];
      await closeAll(gone);
      await untilCounted(redis, keys.user("bob"), 0);
      expect(await tryConnect(a, "ada")).toBeNull();

      await redis.command("HDEL", keys.user("ada"), lease);
      await redis.command("HSET", keys.user("bob"), lease, "2");
      await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
      await waitUntil("the node has come back", () => b.logged("redis_subscriptions_lost") > 0);
      await untilCounted(redis, keys.user("ada"), 2);
      await untilCounted(redis, keys.user("bob"), 0);
      expect(await tryConnect(a, "ada")).toBeNull();
      await using bob = await a.connect("bob");
      await bob.ping();
      await closeAll(here);
    },
    LIMIT_MS,
  );
});
