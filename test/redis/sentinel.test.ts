import { afterAll, beforeAll, expect, test } from "bun:test";

import { failureOf } from "../support/failure.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import { processesOf } from "../support/redis/process-state.ts";
import type { RedisServer } from "../support/redis/redis-server.ts";
import { startSentinel } from "../support/redis/sentinel.ts";
import type { RedisSentinel } from "../support/redis/sentinel.ts";
import { waitUntil } from "../support/redis/wait.ts";

const LIMIT_MS = 60_000;
const ACKNOWLEDGED_BEFORE = 5;
const ACKNOWLEDGED_TAIL = 3;

/** Increments a counter, and so shows which of the acknowledged writes a server has. */
async function increment(server: RedisServer, count: number): Promise<void> {
  for (let round = 0; round < count; round++) await server.command("INCR", "count");
}

describeWithRedis("a master, a replica and three Sentinels", () => {
  let redis: RedisSentinel;
  beforeAll(async () => {
    redis = await startSentinel();
  }, LIMIT_MS);
  afterAll(() => redis[Symbol.asyncDispose]());

  test("know each other, and replicate", async () => {
    const master = await redis.master();
    const replica = await redis.replica();
    expect([master, replica]).toEqual([...redis.servers]);
    expect(redis.addresses.map(({ port }) => port)).toEqual(
      redis.sentinels.map(({ port }) => port),
    );
    await master.command("SET", "key", "value");
    await replica.waitFor(async () => (await replica.command("GET", "key")) === "value");
    expect(await failureOf(replica.command("SET", "key", "x"))).toMatchObject({ code: "READONLY" });
  });

  test(
    "hand over to the replica on request, and make the old master a replica",
    async () => {
      const old = await redis.master();
      const promoted = await redis.failover();
      expect(promoted).not.toBe(old);
      expect(await redis.master()).toBe(promoted);
      expect(await promoted.command("SET", "key", "new")).toBe("OK");
      await redis.untilReplicating();
      expect(await redis.replica()).toBe(old);
      await old.waitFor(async () => (await old.command("GET", "key")) === "new");
    },
    LIMIT_MS,
  );

  test(
    "hand over by themselves when the master dies, and take it back as a replica",
    async () => {
      const old = await redis.master();
      await old.kill9();
      await waitUntil("another one is the master", async () => (await redis.master()) !== old);
      await old.restart();
      // Not `redis.replica()` at the end: on a machine that stood still, they may have handed back to it by then.
      await waitUntil(
        "the old master is a replica",
        async () => (await old.info("replication")).get("role") === "slave",
      );
      await redis.untilReplicating();
    },
    LIMIT_MS,
  );

  test(
    "can lose just the last acknowledged writes",
    async () => {
      const old = await redis.master();
      const oldId = (await old.info("replication")).get("master_replid");
      await old.command("DEL", "count");
      await increment(old, ACKNOWLEDGED_BEFORE);
      const promoted = await redis.failoverLosingTail(() => increment(old, ACKNOWLEDGED_TAIL));
      expect(old.isRunning).toBe(false);
      expect(await redis.master()).toBe(promoted);
      expect(await promoted.command("GET", "count")).toBe(String(ACKNOWLEDGED_BEFORE));
      // What a script can tell the new history from the old by.
      expect((await promoted.info("replication")).get("master_replid")).not.toBe(oldId);
    },
    LIMIT_MS,
  );
});

describeWithRedis("a master with a password and a single Sentinel", () => {
  test(
    "work alike, and leave nothing behind",
    async () => {
      const redis = await startSentinel({ sentinelCount: 1, password: "secret word" });
      const folders = [...redis.servers, ...redis.sentinels].map(({ folder }) => folder);
      expect(folders.length).toBe(3);
      const promoted = await redis.failover();
      expect(await promoted.command("SET", "key", "value")).toBe("OK");
      await redis[Symbol.asyncDispose]();
      expect(folders.flatMap((folder) => processesOf(folder))).toEqual([]);
    },
    LIMIT_MS,
  );
});
