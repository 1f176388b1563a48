import { afterAll, beforeAll, expect, test } from "bun:test";

import { Redis } from "ioredis";

import { BrokerError } from "../../../../broker/api.ts";
import { Keys, nameHash } from "../../../../broker/engine/redis/keys.ts";
import { RedisEngine } from "../../../../broker/engine/redis/redis-engine.ts";
import type { RedisEngineOptions } from "../../../../broker/engine/redis/redis-engine.ts";
import type { RedisStream } from "../../../../broker/engine/redis/redis-stream.ts";
import type { Clock } from "../../../../broker/ports.ts";
import {
  EngineBench,
  NAMESPACE,
  numbered,
  RecordingListener,
  textsOf,
} from "../../../contract/engine-harness.ts";
import { failureOf } from "../../../support/failure.ts";
import { FaultProxy } from "../../../support/fault-proxy.ts";
import {
  Barrier,
  PARTITIONS,
  redisEngineOptions,
  untilReady,
} from "../../../support/redis-engine.ts";
import { ScriptCalls } from "../../../support/redis-scripts.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import type { RedisServer } from "../../../support/redis/redis-server.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";

const START_LIMIT_MS = 30_000;

/** Real time, which a test can put forward. */
class SkewedClock implements Clock {
  skewMs = 0;

  nowMs(): number {
    return performance.now() + this.skewMs;
  }

  wallMs(): number {
    return Date.now() + this.skewMs;
  }
}

/** Starts an engine, which is stopped with the test. */
async function start(options: RedisEngineOptions): Promise<EngineBench> {
  const engine = new RedisEngine(options);
  const barrier = new Barrier(engine);
  const bench = new EngineBench(
    {
      engine,
      async settle() {
        await untilReady(engine);
        await barrier.pass();
      },
      advance: null,
      nowMs: () => performance.now(),
      [Symbol.asyncDispose]: async () => {},
    },
    true,
  );
  await engine.start();
  await bench.settle();
  return bench;
}

function metaKey({ prefix }: RedisEngineOptions, channel: string): string {
  const keys = new Keys(prefix, PARTITIONS);
  return keys.meta(keys.partition(channel), nameHash(channel));
}

describeWithRedis("the engine over Redis", () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
  }, START_LIMIT_MS);
  afterAll(async () => {
    redis.disconnect();
    await server[Symbol.asyncDispose]();
  });

  function optionsAt(port = server.port): RedisEngineOptions {
    const url = `redis://127.0.0.1:${port}`;
    return redisEngineOptions({ type: "servers", shards: [{ type: "url", url }] });
  }

  test("gives all nodes one order, whichever they publish on", async () => {
    const options = optionsAt();
    await using first = await start({ ...options, node: "first" });
    await using second = await start({ ...options, node: "second" });
    const a = await first.attached("a");
    const b = await second.attached("a");
    await Promise.all(
      numbered("x", 200).map((text, i) =>
        i % 2 === 0 ? first.publish(a.stream, text) : second.publish(b.stream, text),
      ),
    );
    await first.settle();
    await second.settle();
    expect(a.listener.taken).toHaveLength(200);
    expect(a.listener.taken).toEqual(b.listener.taken);
    const texts = textsOf(a.listener.taken);
    expect(texts.filter((text) => Number(text.slice(1)) % 2 === 1)).toEqual(
      numbered("x", 200).filter((_, i) => i % 2 === 0),
    );
    expect([...texts].toSorted()).toEqual(numbered("x", 200).toSorted());
  });

  test("reads history that spans many entries as it was published", async () => {
    const options = optionsAt();
    await using first = await start(options);
    const { stream } = await first.attached("a", { historySize: 700 });
    // One entry each, and more entries than one read brings.
    for (const text of numbered("x", 600)) await first.publish(stream, text, { id: text });
    await using second = await start(options);
    const other = second.engine.open("a", { ...NAMESPACE, historySize: 700 });
    expect(await second.texts(other)).toEqual(numbered("x", 600));
    const { stream: attached } = await second.attached("a", { historySize: 700 });
    expect(await second.texts(attached)).toEqual(numbered("x", 600));
  });

  test("finds what was published last while it was cut off, though nothing follows", async () => {
    await using proxy = await FaultProxy.start(server.port);
    const options = optionsAt();
    await using first = await start(options);
    await using second = await start({ ...optionsAt(proxy.port), prefix: options.prefix });
    const { stream, listener } = await second.attached("a");
    proxy.reset();
    await first.publish(first.engine.open("a", NAMESPACE), "x1");
    proxy.heal();
    await waitUntil("it is here", () => stream.log.offset === 1);
    listener.take();
    expect(textsOf(listener.taken)).toEqual(["x1"]);
    expect(listener.resets).toBe(0);
  });

  test("finds within an audit that a quiet channel's position is gone", async () => {
    const options = optionsAt();
    await using bench = await start(options);
    const { stream, listener } = await bench.attached("a");
    await bench.publishAll(stream, ["x1"]);
    const { epoch } = stream;
    await redis.del(metaKey(options, "a"));
    await waitUntil("it is found", () => listener.resets > 0);
    expect(stream.epoch).not.toBe(epoch);
    expect(stream.log.offset).toBe(0);
  });

  test("finds within an audit that a failover lost what it has, though nobody has read since", async () => {
    const options = optionsAt();
    await using bench = await start(options);
    const { stream, listener } = await bench.attached("a");
    await bench.publishAll(stream, ["x1", "x2", "x3"]);
    // What a promoted replica that had seen one of the three holds: its position is from the old master.
    await redis.hset(metaKey(options, "a"), "o", "1", "f", "another");
    await waitUntil("it is found", () => listener.resets > 0);
    expect(stream.log.offset).toBe(1);
  });

  test("lets go of a message from an epoch that has ended, and goes on", async () => {
    const options = optionsAt();
    await using bench = await start(options);
    const { stream, listener } = await bench.attached("a");
    await bench.publishAll(stream, ["x1"]);
    const keys = new Keys(options.prefix, PARTITIONS);
    const calls = new ScriptCalls(`old-${options.prefix}`);
    const groups = [{ channel: "a", texts: ["late"] }];
    const [command, source, count, ...rest] = calls.publish({ seq: 1, groups, fresh: "ended" }) as [
      string,
      string,
      string,
      ...string[],
    ];
    // The first argument behind the keys is the number of the batch, the second where it is published.
    rest[Number(count) + 1] = keys.pubsub(keys.partition("a"));
    await redis.call(command, source, count, ...rest);
    await bench.publishAll(stream, ["x2"]);
    await waitUntil("it is live again", () => (stream as RedisStream).phase === "live");
    listener.take();
    expect(textsOf(listener.taken)).toEqual(["x1", "x2"]);
    expect(listener.resets).toBe(0);
  });

  test("keeps the position of a quiet channel for as long as somebody is attached", async () => {
    const clock = new SkewedClock();
    const options = { ...optionsAt(), clock, channelIdleMs: 600_000 };
    await using bench = await start(options);
    const { stream, listener } = await bench.attached("quiet");
    await bench.publishAll(stream, ["x1"]);
    const key = metaKey(options, "quiet");
    // Nine of the ten minutes have passed without a publication.
    await redis.pexpire(key, 60_000);
    clock.skewMs += 540_000;
    await waitUntil("it is kept for longer", async () => (await redis.pttl(key)) > 300_000);
    expect(listener.resets).toBe(0);
  });

  test("does not keep a position for less because it was read", async () => {
    const options = { ...optionsAt(), channelIdleMs: 3_600_000 };
    await using bench = await start(options);
    const stream = bench.engine.open("a", NAMESPACE);
    await bench.publish(stream, "x1");
    await bench.attached("a");
    expect(await redis.pttl(metaKey(options, "a"))).toBeGreaterThan(3_500_000);
  });

  test("says that a channel cannot be had while Redis cannot be reached, and has it after", async () => {
    await using proxy = await FaultProxy.start(server.port);
    await using bench = await start({ ...optionsAt(proxy.port), giveUpMs: 200 });
    proxy.reset();
    await waitUntil("the engine has noticed", () => !bench.engine.isReady());
    const stream = bench.engine.open("a", NAMESPACE);
    const listener = new RecordingListener(stream);
    const refusal = await failureOf(Promise.resolve(bench.engine.attach(stream)));
    expect(refusal).toBeInstanceOf(BrokerError);
    expect((refusal as BrokerError).info.name).toBe("unavailable");
    const pattern = await failureOf(Promise.resolve(bench.engine.attachAll()));
    bench.engine.detachAll();
    expect((pattern as BrokerError).info.name).toBe("unavailable");
    proxy.heal();
    await bench.settle();
    await bench.engine.attach(stream);
    await bench.publishAll(stream, ["x1"]);
    listener.take();
    expect(textsOf(listener.taken)).toEqual(["x1"]);
  });

  test("refuses to start on data that was made with another number of partitions", async () => {
    const options = optionsAt();
    await using _ = await start(options);
    const other = new RedisEngine({ ...options, partitions: PARTITIONS * 2 });
    expect(String(await failureOf(other.start()))).toContain(`redisPartitions ${PARTITIONS}`);
  });
});
