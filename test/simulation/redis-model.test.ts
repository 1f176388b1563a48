import { afterAll, beforeAll, expect, test } from "bun:test";

import { Redis } from "ioredis";

import { publishScript, readScript } from "../../broker/engine/redis/scripts.ts";
import { announceSeed, Random } from "../support/random.ts";
import { ScriptCalls } from "../support/redis-scripts.ts";
import type { GroupSpec } from "../support/redis-scripts.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import type { RedisServer } from "../support/redis/redis-server.ts";
import { startRedis } from "../support/redis/start-redis.ts";
import { waitUntil } from "../support/redis/wait.ts";
import { RedisModel } from "./redis-model.ts";

const START_LIMIT_MS = 30_000;
const TEST_LIMIT_MS = 60_000;
const ROUNDS = 60;
const STEPS = 60;
const CHANNELS = ["a", "b", "c"];

describeWithRedis("the model of Redis that simulations use", () => {
  let server: RedisServer;
  let redis: Redis;
  let subscriber: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
    subscriber = new Redis(server.url);
  }, START_LIMIT_MS);
  afterAll(async () => {
    redis.disconnect();
    subscriber.disconnect();
    await server[Symbol.asyncDispose]();
  });

  test(
    "answers and publishes byte for byte what the scripts do in a real one",
    async () => {
      const random = new Random(announceSeed("redis model"));
      for (let round = 0; round < ROUNDS; round++) await compare(random, `{m${round}}`);
    },
    TEST_LIMIT_MS,
  );

  async function compare(random: Random, prefix: string): Promise<void> {
    const model = new RedisModel();
    const calls = new ScriptCalls(prefix);
    const messages: string[] = [];
    const modelMessages: string[] = [];
    const take = (channel: Buffer, message: Buffer): void => {
      messages.push(`${channel.toString()} ${message.toString("hex")}`);
    };
    subscriber.on("messageBuffer", take);
    const pubsubs = [calls.pubsub, ...CHANNELS.map((channel) => calls.ownPubsub(channel))];
    await subscriber.subscribe(...pubsubs);
    const seqs = new Map<string, number>();
    let freshCount = 0;

    const both = async (args: readonly (string | Buffer)[], isPublish: boolean): Promise<void> => {
      const [command, source, keyCount, ...rest] = args as [string, string, string, ...string[]];
      const real = await redis.callBuffer(command, source, keyCount, ...rest);
      const count = Number(keyCount);
      const modelled = model.run(
        isPublish ? publishScript : readScript,
        rest.slice(0, count),
        rest.slice(count),
        ({ channel, message }) => modelMessages.push(`${channel} ${message.toString("hex")}`),
      );
      expect(modelled).toEqual(real);
    };

    for (let step = 0; step < STEPS; step++) {
      const channel = random.pick(CHANNELS);
      const fresh = `f${freshCount++}`;
      switch (random.below(12)) {
        case 0:
          await both(calls.read(channel, fresh, random.below(30), random.between(0, 5)), false);
          break;
        case 1:
          await redis.del(calls.meta(channel));
          model.deletePosition(calls.meta(channel));
          break;
        case 2:
          await redis.del(calls.history(channel));
          model.deleteHistory(calls.history(channel));
          break;
        case 3:
          await redis.call("REPLICAOF", "127.0.0.1", "1");
          await redis.call("REPLICAOF", "NO", "ONE");
          model.renewFence();
          break;
        case 4:
          if ((await redis.exists(calls.meta(channel))) === 0) break;
          await redis.hset(calls.meta(channel), "o", "1");
          model.setOffset(calls.meta(channel), 1);
          break;
        default: {
          const node = random.pick(["x", "y"]);
          const known = seqs.get(node) ?? 0;
          // Mostly the next; sometimes one that was sent before.
          const seq = random.chance(0.2) ? random.between(1, Math.max(1, known)) : known + 1;
          seqs.set(node, Math.max(known, seq));
          const groups = Array.from({ length: random.between(1, 3) }, () => randomGroup(random));
          await both(calls.publish({ node, seq, groups, fresh }), true);
        }
      }
    }
    await waitUntil("all messages came", () => messages.length >= modelMessages.length);
    expect(messages).toEqual(modelMessages);
    await subscriber.unsubscribe(...pubsubs);
    subscriber.off("messageBuffer", take);
  }
});

function randomGroup(random: Random): GroupSpec {
  const hasId = random.chance(0.3);
  return {
    channel: random.pick(CHANNELS),
    texts: Array.from({ length: hasId ? 1 : random.between(1, 4) }, () => random.text(3, "xyz")),
    historySize: random.between(1, 10),
    isRouted: random.chance(0.3),
    ...(hasId ? { id: random.pick(["one", "two"]) } : {}),
  };
}
