import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";

import { Redis } from "ioredis";

import { randomId } from "../../../../broker/engine/epoch.ts";
import { readMessage } from "../../../../broker/engine/redis/envelope.ts";
import { failureOf } from "../../../support/failure.ts";
import {
  readBatchReply,
  readReadReply,
  runOf,
  ScriptCalls,
} from "../../../support/redis-scripts.ts";
import type { BatchReply, GroupSpec, ReadReply } from "../../../support/redis-scripts.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

const START_LIMIT_MS = 30_000;

describeWithRedis("the scripts, in a real Redis", () => {
  let server: RedisServer;
  let redis: Redis;
  let calls: ScriptCalls;
  let seq = 0;

  beforeAll(async () => {
    server = await startRedis({ appendonly: true });
    redis = new Redis(server.url);
  }, START_LIMIT_MS);
  afterAll(async () => {
    redis.disconnect();
    await server[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    calls = new ScriptCalls(`{${randomId(8)}}`);
    seq = 0;
  });

  async function send(args: readonly (string | Buffer)[]): Promise<unknown> {
    const [command, ...rest] = args as [string, ...(string | Buffer)[]];
    return redis.callBuffer(command, ...rest);
  }

  async function publish(...groups: GroupSpec[]): Promise<BatchReply> {
    return readBatchReply(await send(calls.publish({ seq: ++seq, groups, fresh: `e${seq}` })));
  }

  async function read(channel: string, after = 0): Promise<ReadReply> {
    return readReadReply(await send(calls.read(channel, "read", after)));
  }

  test("give offsets from 1 on, by channel, and history holds what was published", async () => {
    expect(
      await publish({ channel: "a", texts: ["1", "2"] }, { channel: "b", texts: ["3"] }),
    ).toEqual({ state: "executed", results: ["1:e1:0", "1:e1:0"] });
    expect((await publish({ channel: "a", texts: ["4"] })).results).toEqual(["3:e1:0"]);
    expect(await read("a")).toEqual({
      epoch: "e1",
      offset: 3,
      parent: null,
      entries: [
        { last: 2, count: 2, run: runOf(["1", "2"]).toString("hex") },
        { last: 3, count: 1, run: runOf(["4"]).toString("hex") },
      ],
    });
    expect((await read("a", 1)).entries.map(({ last }) => last)).toEqual([2, 3]);
    expect((await read("a", 2)).entries.map(({ last }) => last)).toEqual([3]);
  });

  test("answer a batch that was executed with the same results, and publish it once", async () => {
    const subscriber = new Redis(server.url);
    const messages: Buffer[] = [];
    subscriber.on("messageBuffer", (_channel: Buffer, message: Buffer) => messages.push(message));
    await subscriber.subscribe(calls.pubsub);
    const batch = { seq: 1, groups: [{ channel: "a", texts: ["1", "2"] }], fresh: "e" };
    const first = readBatchReply(await send(calls.publish(batch)));
    const again = readBatchReply(await send(calls.publish({ ...batch, fresh: "other" })));
    expect(first).toEqual({ state: "executed", results: ["1:e:0"] });
    expect(again).toEqual({ state: "replayed", results: ["1:e:0"] });
    await send(calls.publish({ ...batch, seq: 2 }));
    expect(readBatchReply(await send(calls.publish(batch)))).toMatchObject({ state: "forgotten" });
    expect((await read("a")).offset).toBe(4);
    await waitUntil("both messages came", () => messages.length === 2);
    const groups: unknown[] = [];
    for (const message of messages) {
      readMessage(message, ({ channel, epoch, firstOffset, count, timeMs }) =>
        groups.push({ channel, epoch, firstOffset, count, timeMs }),
      );
    }
    const group = { channel: "a", epoch: "e", count: 2, timeMs: 1_800_000_000_000 };
    expect(groups).toEqual([
      { ...group, firstOffset: 1 },
      { ...group, firstOffset: 3 },
    ]);
    subscriber.disconnect();
  });

  test("number the batches of each node apart", async () => {
    const groups = [{ channel: "a", texts: ["1"] }];
    for (const node of ["x", "y"]) {
      const reply = await send(calls.publish({ node, seq: 1, groups, fresh: "e" }));
      expect(readBatchReply(reply).state).toBe("executed");
    }
    expect((await read("a")).offset).toBe(2);
  });

  test("store a publication id once within its window, and publish nothing for it again", async () => {
    const one = { channel: "a", texts: ["1"], id: "one" };
    expect((await publish(one)).results).toEqual(["1:e1:0"]);
    expect((await publish(one, { channel: "a", texts: ["2"] })).results).toEqual([
      "1:e1:1",
      "2:e1:0",
    ]);
    expect((await publish({ ...one, channel: "b" })).results).toEqual(["1:e3:0"]);
    expect(await redis.pttl(calls.id("a", "one"))).toBeGreaterThan(50_000);
    await redis.del(calls.id("a", "one"));
    expect((await publish(one)).results).toEqual(["3:e1:0"]);
  });

  test("keep as many publications as the history may hold, and offsets go on when it has expired", async () => {
    for (let i = 0; i < 20; i++) {
      await publish({ channel: "a", texts: ["x", "y", "z"], historySize: 10 });
    }
    const { offset, entries } = await read("a");
    expect(offset).toBe(60);
    // Whole entries: the oldest holds offsets 49 to 51, of which 51 is still wanted.
    expect(entries.map(({ last }) => last)).toEqual([51, 54, 57, 60]);
    await redis.del(calls.history("a"));
    expect((await publish({ channel: "a", texts: ["x"] })).results).toEqual(["61:e1:0"]);
  });

  test("begin a new epoch at 1 when the position is gone, and drop a history without one", async () => {
    await publish({ channel: "a", texts: ["1", "2"] });
    await redis.del(calls.meta("a"));
    expect((await publish({ channel: "a", texts: ["3"] })).results).toEqual(["1:e2:0"]);
    expect((await read("a")).entries.map(({ last }) => last)).toEqual([1]);
  });

  test("begin a new epoch without a parent when history is ahead of the position", async () => {
    await publish({ channel: "a", texts: ["1", "2", "3"] });
    await redis.hset(calls.meta("a"), "o", "1");
    expect((await publish({ channel: "a", texts: ["4"] })).results).toEqual(["2:e2:0"]);
    expect(await read("a")).toMatchObject({ epoch: "e2", offset: 2, parent: null });
  });

  for (const [kind, foreign] of [
    ["history", (name: string) => calls.history(name)],
    ["position", (name: string) => calls.meta(name)],
    ["publication id", (name: string) => calls.id(name, "one")],
  ] as const) {
    test(`name a foreign value under a ${kind} key, leave it as it is, and publish the rest`, async () => {
      const key = foreign("a");
      await redis.rpush(key, "foreign");
      const { state, results } = await publish(
        { channel: "b", texts: ["1"] },
        { channel: "a", texts: ["2"], id: "one" },
        { channel: "c", texts: ["3"] },
      );
      expect(state).toBe("executed");
      expect([results[0], results[2]]).toEqual(["1:e1:0", "1:e1:0"]);
      expect(results[1]).toStartWith("!foreign value under ");
      expect(results[1]).toContain(key);
      expect(await redis.lrange(key, 0, -1)).toEqual(["foreign"]);
      await redis.del(key);
      expect((await publish({ channel: "a", texts: ["2"], id: "one" })).results).toEqual([
        "1:e2:0",
      ]);
    });
  }

  test("refuse to read a foreign value", async () => {
    await redis.set(calls.meta("a"), "foreign");
    expect(String(await failureOf(read("a")))).toContain(
      `FOREIGN ${calls.meta("a")} holds a string`,
    );
    await redis.del(calls.meta("a"));
    expect((await read("a")).offset).toBe(0);
  });

  test("store nothing of a batch that is refused for lack of memory", async () => {
    await publish({ channel: "a", texts: ["1"] });
    const batch = { seq: 2, groups: [{ channel: "a", texts: ["2"] }], fresh: "e" };
    await redis.config("SET", "maxmemory", "1");
    expect(String(await failureOf(send(calls.publish(batch))))).toContain("OOM");
    await redis.config("SET", "maxmemory", "0");
    expect((await read("a")).offset).toBe(1);
    expect(readBatchReply(await send(calls.publish(batch)))).toEqual({
      state: "executed",
      results: ["2:e1:0"],
    });
  });

  for (const [name, interrupt] of [
    ["comes back from disk after a kill", () => server.restart()],
    [
      "is told to be a master anew",
      async () => {
        await redis.call("REPLICAOF", "127.0.0.1", "1");
        await redis.call("REPLICAOF", "NO", "ONE");
      },
    ],
  ] as const) {
    test(`begin a child epoch when the server ${name}`, async () => {
      await publish({ channel: "a", texts: ["1", "2"] });
      await publish({ channel: "b", texts: ["1"] });
      await interrupt();
      await waitUntil("it answers", async () => (await redis.ping()) === "PONG");
      expect((await publish({ channel: "a", texts: ["3"] })).results).toEqual(["3:e3:0"]);
      expect(await read("a")).toMatchObject({
        epoch: "e3",
        offset: 3,
        parent: { epoch: "e1", forkOffset: 2 },
      });
      // A reader finds it as well as a publisher.
      expect(await read("b")).toMatchObject({
        epoch: "read",
        offset: 1,
        parent: { epoch: "e2", forkOffset: 1 },
      });
      expect((await publish({ channel: "b", texts: ["2"] })).results).toEqual(["2:read:0"]);
    });
  }

  test("go on in the same epoch over a reload, which loses nothing", async () => {
    await publish({ channel: "a", texts: ["1"] });
    await redis.call("DEBUG", "RELOAD");
    expect((await publish({ channel: "a", texts: ["2"] })).results[0]).toStartWith("2:");
    const { epoch, parent } = await read("a");
    if (epoch !== "e1") expect(parent).toEqual({ epoch: "e1", forkOffset: 1 });
  });

  test("keep offsets exact beyond 2^32", async () => {
    const offset = 2 ** 40;
    await publish({ channel: "a", texts: ["1"] });
    await redis.hset(calls.meta("a"), "o", String(offset));
    expect((await publish({ channel: "a", texts: ["x", "y"] })).results).toEqual([
      `${offset + 1}:e1:0`,
    ]);
    expect(await read("a", offset)).toMatchObject({
      offset: offset + 2,
      entries: [{ last: offset + 2, count: 2 }],
    });
  });
});
