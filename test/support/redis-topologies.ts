import type { RedisTopologyOptions } from "../../broker/engine/redis/redis-engine.ts";
import { startSentinel } from "./redis/sentinel.ts";
import type { RedisSentinel } from "./redis/sentinel.ts";
import { startCluster } from "./redis/start-cluster.ts";
import { startRedis, startShards } from "./redis/start-redis.ts";

/** Servers of one kind, and how an engine is told of them. */
export interface RunningRedis extends AsyncDisposable {
  readonly topology: RedisTopologyOptions;
}

export const REDIS_START_LIMIT_MS = 60_000;

export function serversAt(...urls: readonly string[]): RedisTopologyOptions {
  return { type: "servers", shards: urls.map((url) => ({ type: "url", url })) };
}

export function sentinelAt({ masterName, addresses }: RedisSentinel): RedisTopologyOptions {
  const shard = { type: "sentinel" as const, name: masterName, sentinels: addresses };
  return { type: "servers", shards: [shard] };
}

/** Every kind of deployment that behaves the same. */
export const REDIS_TOPOLOGIES: readonly {
  readonly title: string;
  readonly start: () => Promise<RunningRedis>;
}[] = [
  {
    title: "one server",
    async start() {
      const server = await startRedis();
      return {
        topology: serversAt(server.url),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  },
  {
    title: "two servers",
    async start() {
      const shards = await startShards(2);
      return {
        topology: serversAt(...shards.urls),
        [Symbol.asyncDispose]: () => shards[Symbol.asyncDispose](),
      };
    },
  },
  {
    title: "a master that Sentinels watch",
    async start() {
      const sentinel = await startSentinel();
      return {
        topology: sentinelAt(sentinel),
        [Symbol.asyncDispose]: () => sentinel[Symbol.asyncDispose](),
      };
    },
  },
  {
    title: "a cluster",
    async start() {
      const cluster = await startCluster({ hasReplicas: false });
      return {
        topology: { type: "cluster", seeds: cluster.urls },
        [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
      };
    },
  },
];
