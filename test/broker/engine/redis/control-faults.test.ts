import { afterAll, beforeAll, expect, test } from "bun:test";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { Keys } from "../../../../broker/engine/redis/keys.ts";
import { FaultProxy } from "../../../support/fault-proxy.ts";
import { PARTITIONS } from "../../../support/redis-engine.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../../support/redis-node.ts";
import { connectWith, DISCONNECTED, oldToken, REVOKED } from "../../../support/redis-orders.ts";
import { REDIS_START_LIMIT_MS, serversAt } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";
import { rejection } from "../../../support/rejection.ts";
import { ALL, signToken } from "../../../support/tokens.ts";

const UNAVAILABLE = 4105;

/** So long that nothing here happens because a lease is renewed; except where a test says otherwise. */
const LEASE_MS = 60_000;

describeWithRedis("orders, when something breaks", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  }, REDIS_START_LIMIT_MS);
  afterAll(() => server[Symbol.asyncDispose]());

  function options(node: string, prefix: string, url = server.url): RedisNodeOptions {
    return { topology: serversAt(url), prefix, node, leaseMs: LEASE_MS };
  }

  function cutOff(prefix: string, proxy: FaultProxy): Promise<RedisNode> {
    return RedisNode.start(options("cut", prefix, `redis://127.0.0.1:${proxy.port}`));
  }

  test("reach a node that was cut off as soon as it is back, and spare who came later", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    await using cut = await cutOff(prefix, proxy);
    await using a = await RedisNode.start(options("a", prefix));
    await using ada = await cut.connect("ada");
    await using bob = await connectWith(cut, await oldToken("bob"));
    await using eve = await cut.connect("eve");
    proxy.reset();
    await waitUntil("it is cut off", () => !cut.engine.isReady());
    expect(await a.api.disconnect({ user: "ada" })).toBe(0);
    expect(await a.api.revoke({ user: "bob" })).toBe(0);
    // The clock has gone on: nobody who connects from now on did so before the order.
    const orderedMs = Date.now();
    await waitUntil("the clock has gone on", () => Date.now() > orderedMs);
    await using later = await cut.connect("ada");
    proxy.heal();
    expect((await ada.untilClosed()).code).toBe(DISCONNECTED);
    expect((await bob.untilClosed()).code).toBe(REVOKED);
    await Promise.all([eve.ping(), later.ping()]);
    // An order is carried out once, however often it is read.
    proxy.resetAll();
    await waitUntil("it is cut off once more", () => !cut.engine.isReady());
    await cut.untilReady();
    expect(await a.api.disconnect({ user: "nobody" })).toBe(0);
    await Promise.all([eve.ping(), later.ping()]);
  });

  test("given while Redis is away are carried out here, refused as unavailable, and passed on later", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    await using cut = await cutOff(prefix, proxy);
    await using a = await RedisNode.start(options("a", prefix));
    const bobs = await oldToken("bob");
    await using adaHere = await cut.connect("ada");
    await using adaThere = await a.connect("ada");
    await using bobHere = await connectWith(cut, bobs);
    await using bobThere = await connectWith(a, bobs);
    proxy.reset();
    await waitUntil("it is cut off", () => !cut.engine.isReady());
    for (const order of [cut.api.disconnect({ user: "ada" }), cut.api.revoke({ user: "bob" })]) {
      expect(await rejection(order)).toMatchObject({ info: { code: UNAVAILABLE } });
    }
    expect((await adaHere.untilClosed()).code).toBe(DISCONNECTED);
    expect((await bobHere.untilClosed()).code).toBe(REVOKED);
    await Promise.all([adaThere.ping(), bobThere.ping()]);
    proxy.heal();
    expect((await adaThere.untilClosed()).code).toBe(DISCONNECTED);
    expect((await bobThere.untilClosed()).code).toBe(REVOKED);
    expect(await rejection(connectWith(a, bobs))).toMatchObject({ code: REVOKED });
  });

  test("are not waited for from a node that stands still, and reach it when it goes on", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    await using stuck = await cutOff(prefix, proxy);
    await using a = await RedisNode.start(options("a", prefix));
    await using ada = await stuck.connect("ada");
    await using there = await a.connect("ada");
    proxy.blackHole();
    expect(await a.api.disconnect({ user: "ada" })).toBe(1);
    expect(a.logged("control_unanswered")).toBe(1);
    expect((await there.untilClosed()).code).toBe(DISCONNECTED);
    proxy.heal();
    expect((await ada.untilClosed()).code).toBe(DISCONNECTED);
  });

  test("of a node whose clock is ahead disconnect once, not whoever comes back", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start({ ...options("a", prefix), leaseMs: 900 });
    await using ada = await a.connect("ada");
    const keys = new Keys(prefix, PARTITIONS);
    const remember = (user: string): Promise<unknown> =>
      server.command(
        "ZADD",
        keys.home("disconnected"),
        String(Date.now() + 60_000),
        JSON.stringify(["user", user]),
      );
    await remember("ada");
    expect((await ada.untilClosed()).code).toBe(DISCONNECTED);
    await using again = await a.connect("ada");
    // All that is remembered is read once more, with something new in it.
    await using bob = await a.connect("bob");
    await remember("bob");
    expect((await bob.untilClosed()).code).toBe(DISCONNECTED);
    await again.ping();
  });

  test("that revoke a token while its client waits to be let in keep it out", async () => {
    const prefix = `t${randomId(8)}`;
    await using proxy = await FaultProxy.start(server.port);
    await using slow = await cutOff(prefix, proxy);
    const token = await oldToken("ada");
    proxy.blackHole();
    const opening = rejection(connectWith(slow, token));
    await waitUntil("the client waits", () => slow.api.stats.messagesReceived === 1);
    const order = slow.api.revoke({ user: "ada" });
    proxy.heal();
    expect(await order).toBe(0);
    expect(await opening).toMatchObject({ code: REVOKED });
  });

  test("that Redis has lost are written back by the nodes that know them", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start({ ...options("a", prefix), leaseMs: 900 });
    const token = await oldToken("ada");
    await a.api.revoke({ user: "ada" });
    await server.command("FLUSHALL");
    const key = new Keys(prefix, PARTITIONS).home("revoked");
    await waitUntil("it is written back", async () => (await server.command("EXISTS", key)) === 1);
    await using b = await RedisNode.start(options("b", prefix));
    expect(await rejection(connectWith(b, token))).toMatchObject({ code: REVOKED });
  });

  test("missed without an interruption are found in time", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start({ ...options("a", prefix), leaseMs: 900 });
    const newerToken = await signToken("ada", ALL, { nowMs: Date.now() - 10_000 });
    await using ada = await connectWith(a, await oldToken("ada"));
    await using newer = await connectWith(a, newerToken);
    const key = new Keys(prefix, PARTITIONS).home("revoked");
    const atMs = String(Date.now() - 30_000);
    await server.command("ZADD", key, atMs, JSON.stringify(["user", "ada"]));
    expect((await ada.untilClosed()).code).toBe(REVOKED);
    // The time of the revocation counts, not when a node heard of it.
    await newer.ping();
    await using again = await connectWith(a, newerToken);
    await again.ping();
  });

  test("that are none are logged and change nothing", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    await a.untilReady();
    await using ada = await a.connect("ada");
    const channel = new Keys(prefix, PARTITIONS).home("control");
    const bad = [
      "no JSON",
      "null",
      '{"type":"restart"}',
      '{"type":"disconnect","from":"x","id":1,"text":"","atMs":0}',
    ];
    for (const message of bad) await server.command("PUBLISH", channel, message);
    // Well formed, but about nobody.
    const order = { type: "revoke", from: "x", id: "1", text: '["planet","x"]', atMs: Date.now() };
    await server.command("PUBLISH", channel, JSON.stringify(order));
    await waitUntil("all are read", () => a.logged("control_unreadable") === bad.length);
    await ada.ping();
    expect(await a.api.disconnect({ user: "ada" })).toBe(1);
  });

  test("fail with the key's name when it holds something else", async () => {
    const prefix = `t${randomId(8)}`;
    await using a = await RedisNode.start(options("a", prefix));
    const key = new Keys(prefix, PARTITIONS).home("revoked");
    await server.command("SET", key, "something else");
    const failure = await rejection(a.api.revoke({ user: "ada" }));
    expect(failure).toMatchObject({ info: { name: "internal" } });
    expect(String(failure)).toContain(key);
    expect(await a.api.disconnect({ user: "ada" })).toBe(0);
  });
});
