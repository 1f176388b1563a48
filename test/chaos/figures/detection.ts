import { Keys, nameHash } from "../../../broker/engine/redis/keys.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { startNode } from "../chaos-node.ts";
import type { ChaosNode } from "../chaos-node.ts";
import type { Figure } from "./figure.ts";

const GAPS = 40;
const DEATHS = 12;
const CHANNEL = "market.xrp";
/** The defaults of `redisPrefix` and `redisPartitions`. */
const KEYS = new Keys("tw", 64);

/**
 * A publication that no subscriber hears of is made by copying one in Redis: history and position say that it
 * is there, and pub/sub never said so. The next publication shows the gap; the time is from its acknowledgement
 * being asked for to the delivery of both.
 */
export async function gapsHealed(): Promise<Figure> {
  await using redis = await startRedis();
  await using node = await startNode("figures", { redis: [redis.url], historySize: 1000 });
  await using client = await ProtocolClient.connect(node.url());
  await client.subscribe(CHANNEL);
  await client.publish(CHANNEL, "first");
  const partition = KEYS.partition(CHANNEL);
  const history = KEYS.history(partition, nameHash(CHANNEL));
  const meta = KEYS.meta(partition, nameHash(CHANNEL));
  const samples: number[] = [];
  for (let i = 0; i < GAPS; i++) {
    const copy = `
      local last = redis.call('xrevrange', KEYS[1], '+', '-', 'COUNT', 1)[1]
      local offset = redis.call('hincrby', KEYS[2], 'o', 1)
      return redis.call('xadd', KEYS[1], offset .. '-0', unpack(last[2]))`;
    await redis.command("EVAL", copy, "2", history, meta);
    const wanted = client.publications.length + 2;
    const startMs = performance.now();
    await client.publish(CHANNEL, `shows gap ${i}`);
    await client.untilPublications(wanted);
    samples.push(performance.now() - startMs);
  }
  const healed = node.stats?.gapsHealed ?? 0;
  if (healed < GAPS) throw new Error(`${healed} of ${GAPS} gaps were seen`);
  const how = "from publishing what shows the gap to the delivery of all that was missing";
  return { name: "gap healed", how, samples, unit: "ms", target: 50 };
}

/** A connection over which nothing comes any more, and nobody says so. */
export async function deadSubscribersFound(): Promise<Figure> {
  await using redis = await startRedis();
  await using proxy = await FaultProxy.start(redis.port);
  const url = `redis://127.0.0.1:${proxy.port}`;
  await using node = await startNode("figures", { redis: [url], historySize: 1000 });
  await using client = await ProtocolClient.connect(node.url());
  await client.subscribe(CHANNEL);
  const samples: number[] = [];
  for (let i = 0; i < DEATHS; i++) {
    // Anywhere between two canaries.
    await Bun.sleep((i / DEATHS) * 1000);
    const startMs = performance.now();
    proxy.halfOpen("toClient");
    samples.push((await untilLogged(node, "redis_subscriptions_lost", startMs)) - startMs);
    proxy.heal();
    await client.publish(CHANNEL, "again");
    await client.untilPublications(i + 1);
  }
  const how = "from the last byte carried to the connection being given up";
  return { name: "dead subscriber connection found", how, samples, unit: "ms", target: 4000 };
}

async function untilLogged(node: ChaosNode, event: string, sinceMs: number): Promise<number> {
  for (;;) {
    const found = node.events.find((one) => one.event === event && one.atMs >= sinceMs);
    if (found !== undefined) return found.atMs;
    await Bun.sleep(1);
  }
}
