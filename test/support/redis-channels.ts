import { partitionOf, shardOf } from "../../broker/engine/redis/partition-map.ts";

/** The default of `redisPartitions`. */
const PARTITIONS = 64;

/** Names of channels that live on one of several independent servers. */
export function channelsOn(
  shard: number,
  { shards, count = 1, prefix = "ch" }: { shards: number; count?: number; prefix?: string },
): string[] {
  const names: string[] = [];
  for (let i = 0; names.length < count; i++) {
    const name = `${prefix}.${i}`;
    if (shardOf(partitionOf(name, PARTITIONS), shards) === shard) names.push(name);
  }
  return names;
}
