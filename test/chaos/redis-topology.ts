import type { ConfigInput } from "../../broker/config/config.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import type { RedisCluster } from "../support/redis/cluster.ts";
import type { RedisServer } from "../support/redis/redis-server.ts";
import { startSentinel } from "../support/redis/sentinel.ts";
import type { RedisSentinel, SentinelOptions } from "../support/redis/sentinel.ts";
import { startCluster } from "../support/redis/start-cluster.ts";
import { startRedis, startShards } from "../support/redis/start-redis.ts";
import type { RedisOptions } from "../support/redis/start-redis.ts";

export const TOPOLOGIES = ["single", "shards", "sentinel", "cluster"] as const;
export type TopologyName = (typeof TOPOLOGIES)[number];

/** Real servers, and how each broker reaches them. */
export interface RedisTopology extends AsyncDisposable {
  readonly name: TopologyName;
  /** Redis options of one broker, by its index. */
  config(node: number): ConfigInput;
  /** Servers that hold the data; with Sentinel and Cluster, replicas too. */
  readonly servers: readonly RedisServer[];
  /** What each broker's connections go through, by its index; none where the servers name one another. */
  readonly proxies: readonly (readonly FaultProxy[])[];
  readonly sentinel: RedisSentinel | null;
  readonly cluster: RedisCluster | null;
}

const NODES = 2;

export async function startTopology(
  name: TopologyName,
  options: RedisOptions & Pick<SentinelOptions, "failoverTimeoutMs"> = {},
): Promise<RedisTopology> {
  switch (name) {
    case "single": {
      const server = await startRedis(options);
      return behindProxies(name, [server], server);
    }
    case "shards": {
      const shards = await startShards(2, options);
      return behindProxies(name, shards.servers, shards);
    }
    case "sentinel": {
      const sentinel = await startSentinel(options);
      const addresses = sentinel.addresses.map(({ host, port }) => `${host}:${port}`).join(",");
      return {
        ...direct(name, sentinel.servers, { redisSentinel: `${sentinel.masterName}@${addresses}` }),
        sentinel,
        [Symbol.asyncDispose]: () => sentinel[Symbol.asyncDispose](),
      };
    }
    case "cluster": {
      const cluster = await startCluster({ appendonly: options.appendonly ?? false });
      return {
        ...direct(name, cluster.nodes, { redisCluster: cluster.urls.slice(0, 3) }),
        cluster,
        [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
      };
    }
  }
}

function direct(name: TopologyName, servers: readonly RedisServer[], config: ConfigInput) {
  return { name, servers, config: () => config, proxies: [], sentinel: null, cluster: null };
}

async function behindProxies(
  name: TopologyName,
  servers: readonly RedisServer[],
  owner: AsyncDisposable,
): Promise<RedisTopology> {
  const owned = new AsyncDisposableStack();
  owned.use(owner);
  const proxies: FaultProxy[][] = [];
  for (let node = 0; node < NODES; node++) {
    const own: FaultProxy[] = [];
    for (const { port } of servers) own.push(owned.use(await FaultProxy.start(port)));
    proxies.push(own);
  }
  return {
    name,
    servers,
    proxies,
    config: (node) => ({
      redis: (proxies[node] as FaultProxy[]).map(({ port }) => `redis://127.0.0.1:${port}`),
    }),
    sentinel: null,
    cluster: null,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
