import { afterAll, beforeAll } from "bun:test";

import type { RedisTopologyOptions } from "../../../../broker/engine/redis/redis-engine.ts";
import { NAMESPACE } from "../../../contract/engine-harness.ts";
import { engineContract } from "../../../contract/engine.ts";
import { redisFactory } from "../../../support/redis-engine.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import { startCluster } from "../../../support/redis/start-cluster.ts";
import { startRedis, startShards } from "../../../support/redis/start-redis.ts";

const START_LIMIT_MS = 60_000;

interface Running extends AsyncDisposable {
  readonly urls: readonly string[];
}

const TOPOLOGIES = [
  { name: "redis", isCluster: false, start: () => startRedis().then(single) },
  { name: "redis, two shards", isCluster: false, start: () => startShards(2) },
  { name: "redis cluster", isCluster: true, start: () => startCluster({ hasReplicas: false }) },
] as const;

function single(server: AsyncDisposable & { readonly url: string }): Running {
  return { urls: [server.url], [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

for (const { name, isCluster, start } of TOPOLOGIES) {
  describeWithRedis(name, () => {
    let running: Running;
    beforeAll(async () => {
      running = await start();
    }, START_LIMIT_MS);
    afterAll(() => running[Symbol.asyncDispose]());

    const topology = (): RedisTopologyOptions =>
      isCluster
        ? { type: "cluster", seeds: running.urls }
        : { type: "servers", shards: running.urls.map((url) => ({ type: "url" as const, url })) };
    engineContract(name, redisFactory(topology));
    const routed = { ...NAMESPACE, routing: "channel" as const };
    engineContract(`${name}, routed by channel`, redisFactory(topology, routed));
  });
}
