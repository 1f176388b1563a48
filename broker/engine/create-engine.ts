import { parseSentinel } from "../config/checks.ts";
import type { BrokerConfig } from "../config/config.ts";
import { readFile } from "../config/text-option.ts";
import type { Clock, Logger } from "../ports.ts";
import type { Stats } from "../stats.ts";
import type { Engine } from "./engine.ts";
import { MemoryEngine } from "./memory-engine.ts";
import { RedisEngine } from "./redis/redis-engine.ts";
import type { RedisTopologyOptions } from "./redis/redis-engine.ts";

/** Bounds of what waits for Redis, per partition. */
const MAX_OUTBOX_PUBLICATIONS = 10_000;
const MAX_OUTBOX_BYTES = 8 * 1024 * 1024;

/** The engine the configuration asks for: over Redis when it names one, else in memory. */
export function createEngine(
  config: BrokerConfig,
  clock: Clock,
  logger: Logger,
  stats: Stats,
): Engine {
  const topology = redisTopology(config);
  const { idempotencyWindowMs, idempotencyKeys, channelIdleMs, node } = config;
  if (topology === null) {
    return new MemoryEngine({
      clock,
      counters: stats,
      idempotencyWindowMs,
      idempotencyKeys,
      channelIdleMs,
    });
  }
  return new RedisEngine({
    topology,
    prefix: config.redisPrefix,
    namespaces: config.namespaces,
    partitions: config.redisPartitions,
    node,
    clock,
    logger,
    counters: stats,
    stats,
    idempotencyWindowMs,
    channelIdleMs,
    maxOutboxPublications: MAX_OUTBOX_PUBLICATIONS,
    maxOutboxBytes: MAX_OUTBOX_BYTES,
    giveUpMs: config.redisGiveUpMs,
    revocationTtlMs: (config.tokenMaxAgeS + 2 * config.tokenClockToleranceS) * 1000,
  });
}

function redisTopology(config: BrokerConfig): RedisTopologyOptions | null {
  const ca = config.redisCa === null ? undefined : readFile(config.redisCa);
  if (config.redisCluster.length > 0) return { type: "cluster", seeds: config.redisCluster, ca };
  if (config.redisSentinel !== null) {
    const login = {
      username: config.redisUser ?? undefined,
      password: config.redisPassword ?? undefined,
    };
    const address = { type: "sentinel" as const, ...parseSentinel(config.redisSentinel), ...login };
    return { type: "servers", shards: [address] };
  }
  if (config.redis.length === 0) return null;
  return {
    type: "servers",
    shards: config.redis.map((url) => ({ type: "url" as const, url, ca })),
  };
}
