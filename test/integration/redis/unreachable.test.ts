import { expect, test } from "bun:test";

import type { NoticePush } from "../../../protocol/messages/notice.ts";
import { failureOf } from "../../support/failure.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { startBrokerProcess } from "../../support/process.ts";
import type { BrokerProcess } from "../../support/process.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { waitUntil } from "../../support/redis/wait.ts";

/* Aim: a broker outlives the lack of Redis, at its start and later, says so once, refuses what it cannot do with a
   code that lets clients try again, and is whole by itself afterwards. */

const LIMIT_MS = 60_000;
const UNAVAILABLE = 4105;

/** What a broker has nothing to say against. */
const CONTENT = { "client-output-buffer-limit": "pubsub 256mb 64mb 30" };

function troubles({ log }: BrokerProcess): string[] {
  return log
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { level: string; event: string })
    .filter(({ level }) => level === "warn" || level === "error")
    .map(({ event }) => event);
}

async function isReady({ httpUrl }: BrokerProcess): Promise<boolean> {
  const { status } = await fetch(`${httpUrl}/health`);
  return status === 200;
}

function isOk({ state }: NoticePush): boolean {
  return state === "ok";
}

describeWithRedis("without Redis", () => {
  test(
    "a broker starts, says so in one line, refuses with 4105, and works once Redis is there",
    async () => {
      await using redis = await startRedis({ config: CONTENT });
      await redis.kill9();
      const args = ["--redis", redis.url, "--redis-give-up-ms", "1s", "--presence"];
      await using broker = await startBrokerProcess(args);
      expect(await isReady(broker)).toBe(false);
      await using client = await ProtocolClient.connect(broker.url);
      const attempts = [
        client.publish("chat.room", "x"),
        client.subscribe("chat.room"),
        client.subscribe("chat.*"),
        client.history("chat.room", 10),
        client.presence("chat.room"),
      ];
      const failures = await Promise.all(attempts.map((attempt) => failureOf(attempt)));
      for (const failure of failures) expect(failure).toMatchObject({ code: UNAVAILABLE });
      expect(troubles(broker)).toEqual(["redis_unreachable"]);

      await redis.restart();
      await waitUntil("the broker is ready", () => isReady(broker));
      await client.subscribe("chat.room", { flags: 1 });
      await client.publish("chat.room", "hello");
      await client.untilPublications(1);
      expect((await client.history("chat.room", 10)).publications.length).toBe(1);
      await waitUntil("the client is present", async () => {
        return (await client.presence("chat.room")).length === 1;
      });
      expect(troubles(broker)).toEqual(["redis_unreachable"]);
      expect(broker.log).toContain("redis_reachable");
    },
    LIMIT_MS,
  );

  test(
    "a broker of a cluster says so in one line as well",
    async () => {
      await using redis = await startRedis({ config: { "cluster-enabled": "yes" } });
      await redis.kill9();
      const args = ["--redis-cluster", redis.url, "--redis-give-up-ms", "1s"];
      await using broker = await startBrokerProcess(args);
      await using client = await ProtocolClient.connect(broker.url);
      const failure = await failureOf(client.publish("chat.room", "x"));
      expect(failure).toMatchObject({ code: UNAVAILABLE });
      expect(troubles(broker)).toEqual(["redis_unreachable"]);
      expect(await isReady(broker)).toBe(false);
    },
    LIMIT_MS,
  );

  test(
    "clients stay while it is gone, are told, and get what they missed once it is back",
    async () => {
      await using redis = await startRedis({ appendonly: true, config: CONTENT });
      // Through a proxy one broker loses Redis; the other goes on.
      await using proxy = await FaultProxy.start(redis.port);
      const through = `redis://127.0.0.1:${proxy.port}`;
      await using cut = await startBrokerProcess(["--redis", through, "--redis-give-up-ms", "1s"]);
      await using other = await startBrokerProcess(["--redis", redis.url]);
      for (const broker of [cut, other]) await waitUntil("it is ready", () => isReady(broker));
      await using subscriber = await ProtocolClient.connect(cut.url);
      await using publisher = await ProtocolClient.connect(other.url);
      await subscriber.subscribe("chat.room");
      await publisher.publish("chat.room", "1");
      await subscriber.untilPublications(1);

      proxy.reset();
      expect(await subscriber.frame("notice")).toMatchObject({
        channel: "chat.room",
        state: "degraded",
      });
      expect(await isReady(cut)).toBe(false);
      for (const text of ["2", "3"]) await publisher.publish("chat.room", text);
      expect(await failureOf(subscriber.publish("chat.room", "no"))).toMatchObject({
        code: UNAVAILABLE,
      });
      const outage = troubles(cut).toSorted();
      expect(outage).toEqual(["redis_subscriptions_lost", "redis_unreachable"]);

      proxy.heal();
      await subscriber.frame("notice", isOk);
      await subscriber.untilPublications(3);
      expect(subscriber.texts()).toEqual(["1", "2", "3"]);
      await waitUntil("it is ready", () => isReady(cut));
      await subscriber.publish("chat.room", "4");
      await subscriber.untilPublications(4);
      expect(subscriber.closed).toBeNull();
    },
    LIMIT_MS,
  );
});
