import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  closeConnection,
  openConnection,
  replaceConnection,
} from "../../../../broker/engine/redis/connection.ts";
import { FaultProxy } from "../../../support/fault-proxy.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import { startSentinel } from "../../../support/redis/sentinel.ts";
import type { RedisSentinel } from "../../../support/redis/sentinel.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

const START_LIMIT_MS = 60_000;

describeWithRedis("a connection to a master that Sentinels name", () => {
  let sentinel: RedisSentinel;
  beforeAll(async () => {
    sentinel = await startSentinel({ sentinelCount: 1 });
  }, START_LIMIT_MS);
  afterAll(() => sentinel[Symbol.asyncDispose]());

  function open() {
    const { masterName: name, addresses: sentinels } = sentinel;
    return openConnection({ type: "sentinel", name, sentinels }, "test", () => {});
  }

  test("comes back though it is given up while it asks them", async () => {
    const redis = open();
    let endCount = 0;
    redis.on("end", () => endCount++);
    // As when a second command of a connection turns out to be lost while it is made anew.
    expect(redis.status).toBe("connecting");
    redis.disconnect(true);
    await waitUntil("it is ready", () => redis.status === "ready");
    expect(endCount).toBe(1);
    closeConnection(redis);
  });

  test("does not come back once it is closed", async () => {
    const redis = open();
    await waitUntil("it is ready", () => redis.status === "ready");
    const ended = new Promise((resolve) => redis.once("end", resolve));
    closeConnection(redis);
    await ended;
    expect(redis.status).toBe("end");
    await sentinel.servers[0].command("PING");
    expect(redis.status).toBe("end");
  });
});

describeWithRedis("a connection that carries nothing any more", () => {
  test("is given up once, however many commands find that out, and made anew each time", async () => {
    await using server = await startRedis();
    await using proxy = await FaultProxy.start(server.port);
    const url = `redis://127.0.0.1:${proxy.port}`;
    const redis = openConnection({ type: "url", url }, "test", () => {});
    for (let round = 1; round <= 3; round++) {
      await waitUntil("it is ready", () => redis.status === "ready");
      expect(proxy.acceptedCount).toBe(round);
      proxy.blackHole();
      const { stream } = redis;
      const before = stream.listenerCount("close");
      for (let command = 0; command < 20; command++) replaceConnection(redis);
      expect(stream.listenerCount("close")).toBe(before + 1);
      await waitUntil("it is gone", () => redis.status !== "ready");
      proxy.heal();
    }
    closeConnection(redis);
  });
});
