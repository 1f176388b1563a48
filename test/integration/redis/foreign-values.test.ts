import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";

import { randomId } from "../../../broker/engine/epoch.ts";
import { Keys } from "../../../broker/engine/redis/keys.ts";
import { failureOf } from "../../support/failure.ts";
import type { ProtocolClient } from "../../support/protocol-client.ts";
import { PARTITIONS } from "../../support/redis-engine.ts";
import { RedisNode } from "../../support/redis-node.ts";
import { serversAt } from "../../support/redis-topologies.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import type { RedisServer } from "../../support/redis/redis-server.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { waitUntil } from "../../support/redis/wait.ts";

/* Aim: somebody else's value under one of our keys is said with the key's name and a code, harms nothing else, is
   not written over, and all is well once it is gone. Method: each kind of key of two running nodes is replaced. */

const LIMIT_MS = 60_000;
const CHANNEL = "chat.room";
const INTERNAL = 4100;
const RESYNC = 4202;
const FOREIGN = "somebody else's";

/** It is refused for this key; what a client and the server API are told alike. */
async function expectRefusal(key: string, refused: Promise<unknown>): Promise<void> {
  const error = await failureOf(refused);
  const code =
    (error as { code?: number }).code ?? (error as { info?: { code: number } }).info?.code;
  expect(code).toBe(INTERNAL);
  expect(String(error)).toContain(key);
}

function errorsOf({ logger }: RedisNode): string[] {
  return logger.entries
    .filter(({ level }) => level === "error" || level === "warn")
    .filter(({ event }) => event !== "redis_setting")
    .map(({ event, fields }) => `${event} ${JSON.stringify(fields)}`);
}

async function untilLogged(node: RedisNode, key: string): Promise<void> {
  await waitUntil(`${key} is named in the log`, () =>
    errorsOf(node).some((line) => line.includes(key)),
  );
}

describeWithRedis("a foreign value", () => {
  const owned = new AsyncDisposableStack();
  let redis: RedisServer;
  let scope: AsyncDisposableStack;
  let prefix = "";
  let first: RedisNode;
  let second: RedisNode;
  let client: ProtocolClient;

  beforeAll(async () => {
    redis = owned.use(await startRedis());
  }, LIMIT_MS);
  afterAll(() => owned.disposeAsync(), LIMIT_MS);

  const startNode = (node: string): Promise<RedisNode> =>
    RedisNode.start({
      topology: serversAt(redis.url),
      prefix,
      node,
      leaseMs: 3000,
      config: { historySize: 100, maxConnectionsPerUser: 10 },
    });

  beforeEach(async () => {
    scope = new AsyncDisposableStack();
    prefix = `f${randomId(8)}`;
    first = scope.use(await startNode("first"));
    second = scope.use(await startNode("second"));
    await Promise.all([first.untilReady(), second.untilReady()]);
    client = scope.use(await first.connect("ada"));
    await client.subscribe(CHANNEL, { flags: 1 });
    await client.publish(CHANNEL, "before");
    await waitUntil("the client is present", async () => {
      return (await second.api.presence(CHANNEL)).length === 1;
    });
  }, LIMIT_MS);
  afterEach(() => scope.disposeAsync(), LIMIT_MS);

  /** Replaces the one key that matches, and returns its name. */
  async function replace(pattern: string): Promise<string> {
    let keys: string[] = [];
    await waitUntil(`there is a key like ${pattern}`, async () => {
      keys = ((await redis.command("KEYS", `${prefix}:${pattern}`)) as unknown[]).map(String);
      return keys.length > 0;
    });
    const [key = ""] = keys;
    await redis.command("DEL", key);
    await redis.command("SET", key, FOREIGN);
    return key;
  }

  async function expectKept(key: string): Promise<void> {
    expect(String(await redis.command("GET", key))).toBe(FOREIGN);
    await redis.command("DEL", key);
  }

  async function untilWell(): Promise<void> {
    await waitUntil("publications reach everybody again", async () => {
      await client.publish(CHANNEL, "after");
      return client.texts(CHANNEL).at(-1) === "after";
    });
    await using late = await second.connect("bob");
    await late.subscribe(CHANNEL);
    await late.publish(CHANNEL, "later");
    await late.untilPublications(1);
  }

  for (const [kind, pattern] of [
    ["history", "*:h:*"],
    ["position", "*:m:*"],
  ] as const) {
    test(
      `under the ${kind} of a channel is refused to publishers, readers and new subscribers`,
      async () => {
        const key = await replace(pattern);
        await expectRefusal(key, client.publish(CHANNEL, "x"));
        await expectRefusal(key, second.api.history(CHANNEL, { limit: 10, since: null }));
        await using other = await second.connect("bob");
        await expectRefusal(key, other.subscribe(CHANNEL));
        // Every other channel, also of the same partition, is as before.
        await client.publish("other.channel", "fine");
        await expectKept(key);
        if (kind === "position") {
          // Its stream is gone for good, which is said.
          expect((await client.frame("unsubscribed")).code).toBe(RESYNC);
          await client.subscribe(CHANNEL);
        }
        await untilWell();
      },
      LIMIT_MS,
    );
  }

  test(
    "under the position of a channel is logged once while the node tries to make its subscribers whole",
    async () => {
      const key = await replace("*:m:*");
      await untilLogged(first, key);
      await client.ping();
      expect(errorsOf(first).filter((line) => line.includes(key)).length).toBeLessThanOrEqual(2);
      await redis.command("DEL", key);
      expect((await client.frame("unsubscribed")).code).toBe(RESYNC);
    },
    LIMIT_MS,
  );

  test(
    "under a node's record of its last batch is refused to its publishers, and to no other node's",
    async () => {
      const key = await replace("*:r:*");
      await expectRefusal(key, client.publish(CHANNEL, "x"));
      await using other = await second.connect("bob");
      await other.publish(CHANNEL, "from the other node");
      await expectKept(key);
      await untilWell();
    },
    LIMIT_MS,
  );

  test(
    "under the presence of a channel is refused to who asks, and logged where somebody enters",
    async () => {
      const key = await replace("*:p:*");
      await expectRefusal(key, second.api.presence(CHANNEL));
      await using other = await second.connect("bob");
      await other.subscribe(CHANNEL, { flags: 1 });
      await untilLogged(second, key);
      await client.publish(CHANNEL, "fine");
      await expectKept(key);
      await untilWell();
    },
    LIMIT_MS,
  );

  test(
    "under a node's list of who it entered is logged, and the entries are written once it is gone",
    async () => {
      const key = await replace("*:x:first*");
      await using other = await first.connect("bob");
      await other.subscribe(CHANNEL, { flags: 1 });
      await untilLogged(first, key);
      await expectKept(key);
      await waitUntil("both are present", async () => {
        return (await second.api.presence(CHANNEL)).length === 2;
      });
    },
    LIMIT_MS,
  );

  for (const [kind, pattern] of [
    ["the set of nodes", "*:nodes"],
    ["the connections of a node", "*:connections:first*:i"],
  ] as const) {
    test(
      `under ${kind} is logged, and nobody who is connected notices`,
      async () => {
        const key = await replace(pattern);
        await using other = await first.connect("bob");
        await untilLogged(first, key);
        await other.subscribe(CHANNEL);
        await client.publish(CHANNEL, "fine");
        await other.untilPublications(1);
        await expectKept(key);
        await waitUntil("the other node lists them again", async () => {
          return (
            (await second.api.connections({ user: null, limit: 10, after: null })).length === 2
          );
        });
      },
      LIMIT_MS,
    );
  }

  test(
    "under the connections of a user lets the user in by the node's own count, and is logged",
    async () => {
      const key = await replace("*:u:*");
      await using again = await first.connect("ada");
      await untilLogged(first, key);
      await again.ping();
      await expectKept(key);
    },
    LIMIT_MS,
  );

  test(
    "under the revocations is refused to who revokes, and this node closes what it has",
    async () => {
      const key = new Keys(prefix, PARTITIONS).home("revoked");
      await redis.command("SET", key, FOREIGN);
      await expectRefusal(key, first.api.revoke({ user: "ada" }));
      expect((await client.untilClosed()).code).toBe(4012);
      await expectKept(key);
    },
    LIMIT_MS,
  );

  test("under the configuration that all share stops the start, with the key in the sentence", async () => {
    const key = await replace("cfg");
    const error = await failureOf(startNode("third"));
    expect(String(error)).toContain(key);
    await expectKept(key);
  });

  test("under the configuration as a list does the same", async () => {
    await redis.command("DEL", `${prefix}:cfg`);
    await redis.command("RPUSH", `${prefix}:cfg`, FOREIGN);
    expect(String(await failureOf(startNode("third")))).toContain(`${prefix}:cfg`);
  });
});
