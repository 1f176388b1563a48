import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { createServer } from "node:net";

import { Redis } from "ioredis";

import { failureOf } from "../support/failure.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import { PortBlock } from "../support/redis/port-block.ts";
import { processesOf, processState } from "../support/redis/process-state.ts";
import { RedisServer } from "../support/redis/redis-server.ts";
import { RespConnection } from "../support/redis/resp-connection.ts";
import { startRedis, startShards } from "../support/redis/start-redis.ts";
import { waitUntil } from "../support/redis/wait.ts";

const MEBIBYTE = 1_048_576;

describeWithRedis("a redis-server", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  test("answers commands", async () => {
    expect(await redis.command("SET", "greeting", "héllo")).toBe("OK");
    expect(await redis.command("GET", "greeting")).toBe("héllo");
    expect(await redis.command("GET", "nothing")).toBeNull();
    expect(await redis.command("RPUSH", "list", "a", 2)).toBe(2);
    expect(await redis.command("LRANGE", "list", 0, -1)).toEqual(["a", "2"]);
    expect((await redis.info("server")).get("process_id")).toBe(String(redis.pid));
  });

  test("answers with an error that has a code", async () => {
    await redis.command("SET", "text", "x");
    expect(await failureOf(redis.command("LPUSH", "text", "y"))).toMatchObject({
      code: "WRONGTYPE",
    });
    expect(await redis.command("PING")).toBe("PONG");
  });

  test("answers many commands in their order", async () => {
    const numbers = Array.from({ length: 1_000 }, (_, index) => String(index));
    const replies = await Promise.all(numbers.map((number) => redis.command("ECHO", number)));
    expect(replies).toEqual(numbers);
  });

  test("takes and gives a large value whole", async () => {
    const value = "0123456789abcdef".repeat(MEBIBYTE / 16);
    await redis.command("SET", "large", value);
    expect(await redis.command("GET", "large")).toBe(value);
  });

  test("is reached by an ordinary client through its URL", async () => {
    const client = new Redis(redis.url, { lazyConnect: true });
    await client.connect();
    expect(await client.ping()).toBe("PONG");
    client.disconnect();
  });

  test("stands still while it is stopped, and answers what came meanwhile when it is resumed", async () => {
    using hasty = await RespConnection.open({ ...redis.address, replyLimitMs: 100 });
    expect(await hasty.command("PING")).toBe("PONG");
    await redis.stop();
    const { isRunning, isResponsive } = redis;
    expect({ isRunning, isResponsive }).toEqual({ isRunning: true, isResponsive: false });
    const late = redis.command("ECHO", "late");
    expect(String(await failureOf(hasty.command("PING")))).toContain("no answer to PING in 100 ms");
    await redis.resume();
    expect(await late).toBe("late");
    expect(redis.isResponsive).toBe(true);
  });
});

describeWithRedis("a redis-server that is killed", () => {
  test("refuses connections, and comes back empty on the same port", async () => {
    await using redis = await startRedis();
    const { port, pid } = redis;
    await redis.command("SET", "key", "value");
    await redis.kill9();
    expect(processState(pid)).toBe("gone");
    expect(redis.isRunning).toBe(false);
    expect(await failureOf(redis.command("PING"))).toBeInstanceOf(Error);
    await redis.restart();
    expect(redis.port).toBe(port);
    expect(redis.pid).not.toBe(pid);
    expect(await redis.command("GET", "key")).toBeNull();
  });

  test("comes back with everything when it writes an append-only file", async () => {
    await using redis = await startRedis({ appendonly: true });
    for (let round = 1; round <= 3; round++) {
      expect(await redis.command("INCR", "count")).toBe(round);
      await redis.restart();
    }
    expect(await redis.command("GET", "count")).toBe("3");
  });

  test("may be stopped at that time", async () => {
    await using redis = await startRedis();
    await redis.stop();
    await redis.kill9();
    await redis.restart();
    expect(await redis.command("PING")).toBe("PONG");
  });

  test("can be shut down politely instead, and says so", async () => {
    await using redis = await startRedis();
    await redis.shutdown();
    expect(redis.isRunning).toBe(false);
    expect(redis.log).toContain("ready to exit, bye bye");
  });
});

describeWithRedis("the options of a redis-server", () => {
  test("bound its memory", async () => {
    await using redis = await startRedis({ maxMemoryBytes: 4 * MEBIBYTE });
    const fill = async () => {
      for (let index = 0; index < 40; index++) {
        await redis.command("SET", `key ${index}`, "x".repeat(MEBIBYTE / 8));
      }
    };
    expect(await failureOf(fill())).toMatchObject({ code: "OOM" });
    expect(await redis.command("DBSIZE")).toBeGreaterThan(0);
  });

  test("ask for a password", async () => {
    const password = `p@ss "word"`;
    await using redis = await startRedis({ password });
    expect(await redis.command("PING")).toBe("PONG");
    const { port } = redis;
    using stranger = await RespConnection.open({ port });
    expect(await failureOf(stranger.command("PING"))).toMatchObject({ code: "NOAUTH" });
    const wrong = RespConnection.open({ port, password: "wrong" });
    expect(await failureOf(wrong)).toMatchObject({ code: "WRONGPASS" });
    await expectClientToWork(redis);
  });

  test("add a user with rules, whom the URL names", async () => {
    const user = { username: "app", password: "a/b", rules: "~app:* +get +set +ping +info" };
    await using redis = await startRedis({ user });
    using limited = await RespConnection.open({ ...redis.address, ...user });
    expect(await limited.command("SET", "app:key", "x")).toBe("OK");
    expect(await failureOf(limited.command("GET", "key"))).toMatchObject({ code: "NOPERM" });
    expect(await redis.command("GET", "app:key")).toBe("x");
    await expectClientToWork(redis);
  });

  test("switch on TLS, with a certificate that the client can check", async () => {
    await using redis = await startRedis({ tls: true });
    expect(redis.url).toStartWith("rediss://");
    expect(await redis.command("PING")).toBe("PONG");
    await expectClientToWork(redis, { tls: { ca: redis.certificate ?? "" } });
    const { port } = redis;
    using plain = await RespConnection.open({ port });
    expect(await failureOf(plain.command("PING"))).toBeInstanceOf(Error);
  });

  test("add any directive", async () => {
    await using redis = await startRedis({ config: { "notify-keyspace-events": "KEA" } });
    const found = await redis.command("CONFIG", "GET", "notify-keyspace-events");
    expect(found).toEqual(["notify-keyspace-events", "AKE"]);
  });

  test("that Redis does not know are refused in its own words", async () => {
    const started = startRedis({ config: { "no-such-directive": "yes" } });
    expect(String(await failureOf(started))).toContain(
      "Bad directive or wrong number of arguments",
    );
  });
});

describeWithRedis("several redis-servers", () => {
  test("know nothing of each other", async () => {
    await using shards = await startShards(3);
    expect(new Set(shards.urls).size).toBe(3);
    for (const [index, server] of shards.servers.entries()) {
      await server.command("SET", `key of ${index}`, "x");
    }
    const keys = await Promise.all(shards.servers.map((server) => server.command("KEYS", "*")));
    expect(keys).toEqual([["key of 0"], ["key of 1"], ["key of 2"]]);
    await shards.servers[1]?.kill9();
    expect(await shards.servers[2]?.command("PING")).toBe("PONG");
  });

  test("take the next port when something else holds one", async () => {
    await using ports = await PortBlock.reserve();
    await using holder = new AsyncDisposableStack();
    const first = await RedisServer.start(ports, { directives: () => ({}) });
    holder.use(first);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(first.port + 1, "127.0.0.1", resolve));
    holder.defer(() => void taken.close());
    const second = holder.use(await RedisServer.start(ports, { directives: () => ({}) }));
    expect(second.port).toBe(first.port + 2);
    expect(await second.command("PING")).toBe("PONG");
  });

  test("never share a block of ports", async () => {
    await using blocks = new AsyncDisposableStack();
    const taken = new Set<number>();
    for (let count = 0; count < 50; count++) {
      taken.add(blocks.use(await PortBlock.reserve()).take());
    }
    expect(taken.size).toBe(50);
  });

  test("leave neither a process nor a folder behind", async () => {
    const shards = await startShards(3);
    await shards.servers[0]?.kill9();
    await shards.servers[1]?.stop();
    const folders = shards.servers.map(({ folder }) => folder);
    expect(folders.map((folder) => processesOf(folder).length > 0)).toEqual([true, true, true]);
    await shards[Symbol.asyncDispose]();
    expect(folders.flatMap((folder) => processesOf(folder))).toEqual([]);
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });
});

test("a wait in vain says for what, what the processes said, and the last error", async () => {
  const options = { limitMs: 30, describe: () => "a log" };
  const wait = waitUntil(
    "the key is there",
    () => Promise.reject(new Error("no such key")),
    options,
  );
  const error = await failureOf(wait);
  expect(error).toMatchObject({ message: "waited in vain until the key is there\na log" });
  expect(error).toHaveProperty("cause.message", "no such key");
});

/** Proves the URL with the client library that the broker uses. */
async function expectClientToWork(redis: RedisServer, options: { tls?: { ca: string } } = {}) {
  const client = new Redis(redis.url, { ...options, lazyConnect: true });
  await client.connect();
  expect(await client.ping()).toBe("PONG");
  client.disconnect();
}
