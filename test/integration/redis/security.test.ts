import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";

import { failureOf } from "../../support/failure.ts";
import { runCli, startBrokerProcess } from "../../support/process.ts";
import type { BrokerProcess } from "../../support/process.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import type { RedisServer } from "../../support/redis/redis-server.ts";
import { startSentinel } from "../../support/redis/sentinel.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { waitUntil } from "../../support/redis/wait.ts";
import { TempFolder } from "../../support/temp-folder.ts";

/* Aim: credentials and TLS work as documented, a mistake is said once and clearly, and nothing that can be read
   from outside ever holds the password. Method: broker processes, so that all they write is looked through. */

const LIMIT_MS = 60_000;

/** Needs encoding in a URL, so that a leak of either form would be seen. */
const PASSWORD = "s3cret/pa ss";
const FORMS = [PASSWORD, encodeURIComponent(PASSWORD), "s3cret"];

/** As in docs/scaling.md. */
const RULES =
  "~tw:* &tw:* +@read +@write +@pubsub +@scripting +@connection -@dangerous +info +wait +config|get +cluster|slots";

/** What a broker has nothing to say against. */
const CONTENT = { "client-output-buffer-limit": "pubsub 256mb 64mb 30" };

interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly error?: string;
  readonly address?: string;
}

/** What a broker logged about things that are not as they should be. */
function troubles({ log }: BrokerProcess): LogLine[] {
  return log
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine)
    .filter(({ level }) => level === "warn" || level === "error");
}

async function health({ httpUrl }: BrokerProcess): Promise<{ status: number; text: string }> {
  const response = await fetch(`${httpUrl}/health`);
  return { status: response.status, text: await response.text() };
}

/** Everything that can be read of a broker from outside. */
async function readable(broker: BrokerProcess): Promise<string> {
  const metrics = await fetch(`${broker.httpUrl}/metrics`);
  return [broker.log, broker.stderr, (await health(broker)).text, await metrics.text()].join("\n");
}

function leaks(text: string): string[] {
  return FORMS.filter((form) => text.includes(form));
}

/** A publication on one broker, received on another. */
async function expectExchange(from: BrokerProcess, to: BrokerProcess): Promise<void> {
  await using publisher = await ProtocolClient.connect(from.url);
  await using subscriber = await ProtocolClient.connect(to.url);
  await subscriber.subscribe("chat.room");
  await publisher.publish("chat.room", "hello");
  await subscriber.untilPublications(1);
  expect(subscriber.texts()).toEqual(["hello"]);
}

describeWithRedis("a Redis with TLS and a user of its own", () => {
  const owned = new AsyncDisposableStack();
  let redis: RedisServer;
  let folder: TempFolder;

  const trusting = (url: string): Record<string, string> => ({
    TICKWIRE_REDIS: url,
    TICKWIRE_REDIS_CA: join(folder.path, "ca.pem"),
  });

  beforeAll(async () => {
    const user = { username: "tickwire", password: PASSWORD, rules: RULES };
    redis = owned.use(await startRedis({ tls: true, user, config: CONTENT }));
    folder = owned.use(await TempFolder.create());
    await folder.write("ca.pem", redis.certificate ?? "");
  }, LIMIT_MS);
  afterAll(() => owned.disposeAsync(), LIMIT_MS);

  test(
    "is used by two brokers, and the password is nowhere to be read",
    async () => {
      const env = trusting(redis.url);
      await using first = await startBrokerProcess([], env);
      await using second = await startBrokerProcess([], env);
      for (const broker of [first, second]) {
        await waitUntil("the broker is ready", async () => (await health(broker)).status === 200);
      }
      await expectExchange(first, second);
      expect(troubles(first)).toEqual([]);
      for (const broker of [first, second]) {
        const text = await readable(broker);
        expect(text).not.toContain(`rediss://127.0.0.1:${redis.port}`);
        expect(leaks(text)).toEqual([]);
      }
    },
    LIMIT_MS,
  );

  test(
    "a wrong password is said in one line, and the broker is not ready",
    async () => {
      const url = redis.url.replace(encodeURIComponent(PASSWORD), "s3cret-wrong");
      const args = ["--redis-give-up-ms", "1500"];
      await using broker = await startBrokerProcess(args, trusting(url));
      await broker.untilLog((text) => text.includes("redis_unreachable"));
      expect((await health(broker)).status).toBe(503);
      await using client = await ProtocolClient.connect(broker.url);
      // Long enough for many attempts: the publisher waits for all of `redisGiveUpMs`.
      const failure = await failureOf(client.publish("chat.room", "hello"));
      expect(failure).toMatchObject({ code: 4105 });
      expect(troubles(broker)).toEqual([
        expect.objectContaining({
          event: "redis_unreachable",
          address: `rediss://127.0.0.1:${redis.port}`,
          error: expect.stringContaining("WRONGPASS"),
        }),
      ]);
      expect(leaks(await readable(broker))).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "a certificate that is not trusted is said in one line",
    async () => {
      await using broker = await startBrokerProcess([], { TICKWIRE_REDIS: redis.url });
      await broker.untilLog((text) => text.includes("redis_unreachable"));
      expect((await health(broker)).status).toBe(503);
      expect(troubles(broker)).toEqual([
        expect.objectContaining({
          event: "redis_unreachable",
          error: expect.stringMatching(/self.signed certificate/i),
        }),
      ]);
      expect(leaks(await readable(broker))).toEqual([]);
    },
    LIMIT_MS,
  );

  test("`check` shows neither URL nor password, whether it is content or not", async () => {
    const good = trusting(redis.url);
    const outputs = [
      await runCli(["check"], { env: good }),
      await runCli(["check", "--json"], { env: good }),
      await runCli(["check", "--redis-cluster", redis.url], { env: good }),
      await runCli(["check", "--redis", `http://tickwire:${PASSWORD}@127.0.0.1`]),
      await runCli(["check"], { env: { TICKWIRE_REDIS_PASSWORD: PASSWORD } }),
      await runCli(["check", "--redis-ca", "no-such-file.pem"], {
        env: { TICKWIRE_REDIS: redis.url },
      }),
    ];
    expect(outputs.map(({ code }) => code === 0)).toEqual([true, true, false, false, false, false]);
    expect(outputs.map(({ stdout, stderr }) => leaks(stdout + stderr))).toEqual([
      [],
      [],
      [],
      [],
      [],
      [],
    ]);
  });
});

describeWithRedis("a master with a password, watched by Sentinels", () => {
  test(
    "is used with redisPassword, and the password is nowhere to be read",
    async () => {
      await using sentinel = await startSentinel({ password: PASSWORD, sentinelCount: 1 });
      const addresses = sentinel.addresses.map(({ host, port }) => `${host}:${port}`).join();
      const env = {
        TICKWIRE_REDIS_SENTINEL: `${sentinel.masterName}@${addresses}`,
        TICKWIRE_REDIS_PASSWORD: PASSWORD,
      };
      await using broker = await startBrokerProcess([], env);
      await waitUntil("the broker is ready", async () => (await health(broker)).status === 200);
      await expectExchange(broker, broker);
      expect(leaks(await readable(broker))).toEqual([]);
    },
    LIMIT_MS,
  );
});
