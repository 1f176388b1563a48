import { expect, test } from "bun:test";

import { startBroker } from "../../support/broker.ts";
import { checkContiguous } from "../../support/history-checker.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { commandCounts, countsBetween, streamReads } from "../../support/redis/command-counts.ts";
import { startRedis } from "../../support/redis/start-redis.ts";

/* Aim: however many clients of a hot channel come back to a node that does not know it, Redis is asked as if it
   were one, and each gets what it missed. Method: the clients of one node all move to another at once. */

const CLIENTS = 1000;
const CHANNEL = "game.lobby";
const MAX_READS = 100;
const LIMIT_MS = 60_000;

describeWithRedis("a thousand clients of one channel that come to another node", () => {
  test(
    "get what they missed, for a few reads of Redis",
    async () => {
      await using redis = await startRedis();
      const config = { redis: [redis.url], historySize: 200 };
      await using first = await startBroker(config);
      await using second = await startBroker(config);
      await using publisher = await ProtocolClient.connect(first.url);
      const before = await Promise.all(
        Array.from({ length: CLIENTS }, async () => {
          const client = await ProtocolClient.connect(first.url);
          const { epoch } = await client.subscribe(CHANNEL);
          return { client, epoch };
        }),
      );
      for (let i = 0; i < 10; i++) await publisher.publish(CHANNEL, `before ${i}`);
      await Promise.all(before.map(({ client }) => client.untilPublications(10)));
      const positions = before.map(({ client, epoch }) => {
        client.terminate();
        return { epoch, offset: client.publications.length };
      });
      await Promise.all(before.map(({ client }) => client.untilClosed()));
      for (let i = 0; i < 10; i++) await publisher.publish(CHANNEL, `away ${i}`);

      const counted = await commandCounts(redis);
      const after = await Promise.all(
        positions.map(async (recover) => {
          const client = await ProtocolClient.connect(second.url);
          const subscribed = await client.subscribe(CHANNEL, { recover });
          expect(subscribed).toMatchObject({ recovered: true, epoch: recover.epoch });
          expect(subscribed.count).toBeGreaterThanOrEqual(10);
          return client;
        }),
      );
      const { offset } = await publisher.publish(CHANNEL, "after");
      await Promise.all(after.map((client) => client.untilPublications(offset - 10)));
      const reads = streamReads(countsBetween(counted, await commandCounts(redis)));
      expect(reads).toBeGreaterThan(0);
      expect(reads).toBeLessThanOrEqual(MAX_READS);
      for (const client of after) checkContiguous(client.publications, 10);
      expect(second.broker.api.stats.recoveriesComplete).toBe(CLIENTS);
      for (const client of after) client.terminate();
    },
    LIMIT_MS,
  );
});
