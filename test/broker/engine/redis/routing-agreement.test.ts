import { afterAll, beforeAll, expect, test } from "bun:test";

import type { ConfigInput } from "../../../../broker/config/config.ts";
import { randomId } from "../../../../broker/engine/epoch.ts";
import { Code } from "../../../../protocol/codes.ts";
import { failureOf } from "../../../support/failure.ts";
import { FaultProxy } from "../../../support/fault-proxy.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import {
  REDIS_START_LIMIT_MS,
  REDIS_TOPOLOGIES,
  serversAt,
} from "../../../support/redis-topologies.ts";
import type { RunningRedis } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

const ROUTED: ConfigInput = { namespaces: [{ pattern: "user.*", routing: "channel" }] };

function options(
  topology: RunningRedis["topology"],
  prefix: string,
  node: string,
  config: ConfigInput = {},
): RedisNodeOptions {
  return { topology, prefix, node, leaseMs: 600_000, config };
}

for (const { title, start } of REDIS_TOPOLOGIES) {
  describeWithRedis(`a node that routes channels otherwise than those there, over ${title}`, () => {
    let redis: RunningRedis;
    beforeAll(async () => {
      redis = await start();
    }, REDIS_START_LIMIT_MS);
    afterAll(() => redis[Symbol.asyncDispose]());

    test("refuses to start and says in what, until the others are gone", async () => {
      const prefix = `t${randomId(8)}`;
      const other = options(redis.topology, prefix, "b", ROUTED);
      {
        await using a = await RedisNode.start(options(redis.topology, prefix, "a"));
        await a.untilReady();
        const refusal = String(await failureOf(RedisNode.start(other)));
        expect(refusal).toContain('the routing of the namespace "user.*" is "channel" here');
        expect(refusal).toContain('"a"');
        expect(a.engine.isReady()).toBe(true);
        const same = { namespaces: [{ pattern: "room.*", historySize: 5 }] };
        await using c = await RedisNode.start(options(redis.topology, prefix, "c", same));
        await c.untilReady();
      }
      await using b = await RedisNode.start(other);
      await b.untilReady();
    });
  });
}

describeWithRedis("a node that finds only later that it routes channels otherwise", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  }, REDIS_START_LIMIT_MS);
  afterAll(() => server[Symbol.asyncDispose]());

  test("takes no publications, and says why", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    proxy.reset();
    const topology = serversAt(`redis://127.0.0.1:${proxy.port}`);
    await using late = await RedisNode.start(options(topology, prefix, "late", ROUTED));
    await using a = await RedisNode.start(options(serversAt(server.url), prefix, "a"));
    await a.untilReady();
    await using client = await late.connect("ada");
    proxy.heal();
    await waitUntil("it is noticed", () => late.logged("redis_config_mismatch") === 1);
    expect(late.engine.isReady()).toBe(false);
    const refusal = await failureOf(client.publish("user.a", "x"));
    expect(refusal).toMatchObject({ code: Code.unavailable.code });
    expect(String(refusal)).toContain("user.*");
    expect(a.engine.isReady()).toBe(true);
  });

  test("does not stop those that are there when Redis has lost its data", async () => {
    const prefix = `t${randomId(8)}`;
    const topology = serversAt(server.url);
    await using a = await RedisNode.start(options(topology, prefix, "a", ROUTED));
    await using b = await RedisNode.start(options(topology, prefix, "b", ROUTED));
    await using ada = await a.connect("ada");
    await ada.subscribe("x");
    await server.command("FLUSHALL");
    await using other = await b.connect("ada");
    await waitUntil("both are there again", () =>
      [a, b].every(({ engine }) => engine.stats.leasesLost === 1),
    );
    expect([a, b].map(({ engine }) => engine.isReady())).toEqual([true, true]);
    const refusal = await failureOf(RedisNode.start(options(topology, prefix, "c")));
    expect(String(refusal)).toContain('"user.*"');
    await other.ping();
  });
});
