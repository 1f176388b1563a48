// Each fault of test/support/fault-proxy.ts, in front of a real redis-server. `direct` sees the server without
// the proxy, so a test can tell what has reached it.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { connect } from "node:net";

import { failureOf } from "../support/failure.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import type { RedisServer } from "../support/redis/redis-server.ts";
import { RespConnection } from "../support/redis/resp-connection.ts";
import { encodeCommand } from "../support/redis/resp.ts";
import { startRedis } from "../support/redis/start-redis.ts";

/** How long a test waits for an answer that must not come. */
const SILENCE_MS = 100;
const NO_ANSWER = `in ${SILENCE_MS} ms`;
const MEBIBYTE = 1_048_576;
const HOUR_MS = 3_600_000;
const PONG_BYTES = "+PONG\r\n".length;

describeWithRedis("a fault proxy", () => {
  let direct: RedisServer;
  beforeAll(async () => {
    direct = await startRedis();
  });
  beforeEach(async () => {
    await direct.command("FLUSHALL");
    await direct.waitFor(async () => (await connectionCount(direct)) === 1, "it is left alone");
  });
  afterAll(() => direct[Symbol.asyncDispose]());

  /** A proxy and a connection through it that works. */
  async function connectThrough(replyLimitMs?: number) {
    const proxy = await FaultProxy.start(direct.port);
    const address = { port: proxy.port, ...(replyLimitMs === undefined ? {} : { replyLimitMs }) };
    const client = await RespConnection.open(address);
    expect(await client.command("PING")).toBe("PONG");
    const dispose = async () => {
      client[Symbol.dispose]();
      await proxy[Symbol.asyncDispose]();
    };
    return { proxy, client, [Symbol.asyncDispose]: dispose };
  }

  test("carries everything both ways, and counts it", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    expect(proxy.carriedBytes).toEqual({
      toServer: encodeCommand(["PING"]).length,
      toClient: PONG_BYTES,
    });
    const value = "0123456789abcdef".repeat(65_536);
    expect(await client.command("SET", "large", value)).toBe("OK");
    expect(await client.command("GET", "large")).toBe(value);
    expect(await direct.command("GET", "large")).toBe(value);
    expect(proxy.carriedBytes.toServer).toBeGreaterThan(value.length);
    expect(proxy.connections).toBe(1);
  });

  test("passes on that one side closes, to the other", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    expect(await direct.command("CLIENT", "KILL", "TYPE", "normal")).toBe(1);
    await proxy.until(({ connections }) => connections === 0);
    expect(client.isOpen).toBe(false);

    const second = await RespConnection.open({ port: proxy.port });
    expect(await connectionCount(second)).toBe(2);
    second[Symbol.dispose]();
    await direct.waitFor(async () => (await connectionCount(direct)) === 1);
    await proxy.until(({ connections }) => connections === 0);
  });

  test("holds everything in a black hole, and carries it afterwards", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    proxy.blackHole();
    const set = client.command("SET", "key", "value");
    await expectSilence(proxy);
    expect(proxy.acceptedCount).toBe(2);
    expect(await direct.command("EXISTS", "key")).toBe(0);
    proxy.heal();
    expect(await set).toBe("OK");
    expect(await direct.command("GET", "key")).toBe("value");
  });

  test("fills the sender's buffers in a black hole, not its own memory", async () => {
    await using through = await connectThrough();
    const { proxy } = through;
    proxy.blackHole();
    const value = "x".repeat(32 * MEBIBYTE);
    const socket = connect({ port: proxy.port, host: "127.0.0.1" });
    socket.write(encodeCommand(["SET", "huge", value]));
    await proxy.until(({ heldBytes }) => heldBytes > 0);
    await expectSilence(proxy);
    expect(proxy.heldBytes).toBeLessThan(2 * MEBIBYTE);
    proxy.heal();
    await direct.waitFor(async () => (await direct.command("STRLEN", "huge")) === value.length);
    expect(proxy.heldBytes).toBe(0);
    socket.destroy();
  });

  test("leaves the server a half-dead connection when the client goes in a black hole", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    proxy.blackHole();
    client[Symbol.dispose]();
    await expectSilence(proxy);
    // Its own, the dead one's, and that of the silent one.
    expect(await connectionCount(direct)).toBe(3);
    proxy.heal();
    await direct.waitFor(async () => (await connectionCount(direct)) === 1);
  });

  test("carries requests but no replies when the way back is dead", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    const before = proxy.carriedBytes.toClient;
    proxy.halfOpen("toClient");
    const count = client.command("INCR", "count");
    await direct.waitFor(async () => (await direct.command("GET", "count")) === "1");
    await expectSilence(proxy);
    expect(proxy.carriedBytes.toClient).toBe(before);
    proxy.heal();
    expect(await count).toBe(1);
  });

  test("carries what the server says but no requests when the way there is dead", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    const popped = client.command("BLPOP", "list", 0);
    await direct.waitFor(async () => /blocked_clients:1\r/.test(await clientsOf(direct)));
    proxy.halfOpen("toServer");
    await direct.command("RPUSH", "list", "item");
    expect(await popped).toEqual(["list", "item"]);
    await expectSilence(proxy);
  });

  test("resets connections, and new ones too, until it is healed", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    const pending = client.command("BLPOP", "list", 0);
    proxy.reset();
    expect(await failureOf(pending)).toMatchObject({ code: "ECONNRESET" });
    expect(await failureOf(pingOnce(proxy.port))).toMatchObject({ code: "ECONNRESET" });
    await direct.waitFor(async () => (await connectionCount(direct)) === 1);
    proxy.heal();
    using fresh = await RespConnection.open({ port: proxy.port });
    expect(await fresh.command("PING")).toBe("PONG");
  });

  test("cuts all connections once, and says how many", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    using second = await RespConnection.open({ port: proxy.port });
    await second.command("PING");
    expect(proxy.resetAll()).toBe(2);
    expect(await failureOf(client.command("BLPOP", "list", 0))).toMatchObject({
      code: "ECONNRESET",
    });
    await proxy.until(({ connections }) => connections === 0);
    using third = await RespConnection.open({ port: proxy.port });
    expect(await third.command("PING")).toBe("PONG");
  });

  test("delays everything, in order, and catches up when the delay ends", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    proxy.delay(HOUR_MS);
    const late = Promise.all([client.command("INCR", "count"), client.command("INCR", "count")]);
    await expectSilence(proxy);
    expect(await direct.command("EXISTS", "count")).toBe(0);
    proxy.delay(5);
    expect(await late).toEqual([1, 2]);
    const echoes = Array.from({ length: 100 }, (_, index) => client.command("ECHO", index));
    expect(await Promise.all(echoes)).toEqual(echoes.map((_, index) => String(index)));
  });

  test("lets requests through and loses their replies, and the connection with them", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    proxy.dropReplies();
    const count = client.command("INCR", "count");
    await proxy.until(({ discardedBytes }) => discardedBytes.toClient === ":1\r\n".length);
    expect(await direct.command("GET", "count")).toBe("1");
    expect(client.isOpen).toBe(true);
    proxy.heal();
    // Bytes are missing in the middle of it, so it must not go on.
    expect(await failureOf(count)).toMatchObject({ code: "ECONNRESET" });
    using fresh = await RespConnection.open({ port: proxy.port });
    expect(await fresh.command("INCR", "count")).toBe(2);
  });

  test("carries a trickle, without loss", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    const value = "0123456789".repeat(100);
    await direct.command("SET", "key", value);
    const before = proxy.carriedBytes.toClient;
    // A tenth of a second's worth is the most that it carries at once.
    proxy.set({ toClient: { kind: "trickle", bytesPerSecond: 4_000 } });
    const reply = client.command("GET", "key");
    await proxy.until(({ carriedBytes }) => carriedBytes.toClient > before);
    expect(proxy.carriedBytes.toClient - before).toBeLessThanOrEqual(400);
    expect(await reply).toBe(value);
  });

  test("cuts a reply after so many bytes, which all arrive", async () => {
    await using through = await connectThrough();
    const { proxy } = through;
    await direct.command("SET", "key", "0123456789");
    proxy.cutAfter(8, "toClient");
    const socket = connect({ port: proxy.port, host: "127.0.0.1" });
    socket.write(encodeCommand(["GET", "key"]));
    const received: Buffer[] = [];
    for await (const bytes of socket) received.push(bytes as Buffer);
    expect(Buffer.concat(received).toString()).toBe("$10\r\n012");
  });

  test("cuts a request after so many bytes, so that it is never carried out", async () => {
    await using through = await connectThrough();
    const { proxy, client } = through;
    const request = ["SET", "key", "0123456789"];
    proxy.cutAfter(encodeCommand(request).length - 1, "toServer");
    expect(await failureOf(client.command(...request))).toMatchObject({ code: "ECONNRESET" });
    await direct.waitFor(async () => (await connectionCount(direct)) === 1);
    expect(await direct.command("EXISTS", "key")).toBe(0);
  });

  test("resets the client when there is nothing behind it", async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(redis.port);
    await redis.kill9();
    expect(await failureOf(pingOnce(proxy.port))).toMatchObject({ code: "ECONNRESET" });
    await redis.restart();
    using client = await RespConnection.open({ port: proxy.port });
    expect(await client.command("PING")).toBe("PONG");
  });

  test("ends with its connections, whatever it holds", async () => {
    const { proxy, client } = await connectThrough();
    proxy.blackHole();
    const failure = failureOf(client.command("PING"));
    await proxy[Symbol.asyncDispose]();
    expect(await failure).toMatchObject({ code: "ECONNRESET" });
    const { port } = proxy;
    expect(await failureOf(pingOnce(port))).toMatchObject({ code: "ECONNREFUSED" });
  });
});

/** Expects that a connection is accepted, not reset, and not answered for a while. */
async function expectSilence(proxy: FaultProxy): Promise<void> {
  using client = await RespConnection.open({ port: proxy.port, replyLimitMs: SILENCE_MS });
  expect(String(await failureOf(client.command("PING")))).toContain(NO_ANSWER);
}

async function pingOnce(port: number): Promise<unknown> {
  using client = await RespConnection.open({ port });
  return await client.command("PING");
}

/** Connections of the server, the asking one included. */
async function connectionCount(server: Pick<RedisServer, "command">): Promise<number> {
  return String(await server.command("CLIENT", "LIST"))
    .trimEnd()
    .split("\n").length;
}

async function clientsOf(server: RedisServer): Promise<string> {
  return String(await server.command("INFO", "clients"));
}
