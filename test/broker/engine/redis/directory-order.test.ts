import { expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { closeAll, tryConnect } from "../../../support/redis-directory.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import { REDIS_START_LIMIT_MS, serversAt } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";

const LIMIT = 4;
/** Longer than the test. */
const LEASE_MS = 60_000;
const USERS = 240;

describeWithRedis("admission while Redis forgets its scripts", () => {
  test(
    "lets every user in exactly as often as the limit says",
    async () => {
      await using redis = await startRedis();
      const prefix = `t${randomId(8)}`;
      const config = { maxConnectionsPerUser: LIMIT };
      const start = (node: string): Promise<RedisNode> =>
        RedisNode.start({
          topology: serversAt(redis.url),
          prefix,
          node,
          leaseMs: LEASE_MS,
          config,
        });
      await using a = await start("a");
      await using b = await start("b");
      await using c = await start("c");
      const nodes = Array.from({ length: LIMIT + 2 }, () => [a, b, c]).flat();

      const done = new AbortController();
      const forgetting = (async () => {
        while (!done.signal.aborted) await redis.command("SCRIPT", "FLUSH");
      })();
      const admitted: number[] = [];
      for (let user = 0; user < USERS; user += 12) {
        const names = Array.from({ length: 12 }, (_, i) => `user-${user + i}`);
        await Promise.all(
          names.map(async (name) => {
            const attempts = await Promise.all(nodes.map((node) => tryConnect(node, name)));
            const clients = attempts.filter((client) => client !== null);
            admitted.push(clients.length);
            await closeAll(clients);
          }),
        );
      }
      done.abort();
      await forgetting;
      expect(admitted).toEqual(Array.from({ length: USERS }, () => LIMIT));
    },
    REDIS_START_LIMIT_MS,
  );
});
