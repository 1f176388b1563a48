import type { Logger } from "../../ports.ts";
import { isMoved } from "./connection.ts";
import type { Keys } from "./keys.ts";
import { messageOf } from "./lease-home.ts";
import type { Shard } from "./shard.ts";

/** Below this, sharded pub/sub and parts of the scripts do not exist. */
const MIN_MAJOR_VERSION = 7;

/** A pub/sub connection that falls behind by less than this is cut by Redis's defaults: 32 MB. */
const MIN_PUBSUB_LIMIT_BYTES = 64 * 1024 * 1024;

/** What must be the same on all nodes that share a prefix; kept in Redis by the first. */
interface SharedConfig {
  readonly partitions: number;
}

/**
 * Compares the partition count with the one this data was born with, or writes it down.
 * @returns null, or the sentence that stops the start
 */
export async function checkSharedConfig(shard: Shard, keys: Keys): Promise<string | null> {
  const own: SharedConfig = { partitions: keys.partitionCount };
  let kept: Buffer | null;
  try {
    const reply = await shard.call("SET", keys.config, JSON.stringify(own), "NX", "GET");
    kept = reply as Buffer | null;
  } catch (error) {
    // Of a cluster's masters, one has the key.
    if (shard.isCluster && isMoved(error)) return null;
    if (messageOf(error).startsWith("WRONGTYPE")) return foreignConfig(keys);
    throw error;
  }
  if (kept === null) return null;
  const text = kept.toString("utf8");
  let partitions: unknown;
  try {
    partitions = (JSON.parse(text) as SharedConfig).partitions;
  } catch {
    return foreignConfig(keys);
  }
  if (partitions === own.partitions) return null;
  return (
    `this data was made with redisPartitions ${String(partitions)}, not ${own.partitions}: ` +
    `set it to that, or use another redisPrefix`
  );
}

function foreignConfig({ config }: Keys): string {
  return `the Redis key ${config} holds something that is not Tickwire's; use another redisPrefix`;
}

/** Warns about server settings under which publications or subscribers would be lost, with the line to change. */
export async function checkServerSettings(shard: Shard, logger: Logger): Promise<void> {
  const warn = (problem: string, change: string): void =>
    logger.log("warn", "redis_setting", {
      shard: shard.index,
      address: shard.description,
      problem,
      change,
    });
  const info = ((await shard.call("INFO", "server")) as Buffer).toString("latin1");
  const version = /(?:valkey|redis)_version:(\d+)\.(\d+)/.exec(info);
  if (version !== null && Number(version[1]) < MIN_MAJOR_VERSION) {
    warn(
      `version ${version[1]}.${version[2]} is too old`,
      `upgrade to ${MIN_MAJOR_VERSION}.0 or later`,
    );
  }
  const policy = await readSetting(shard, "maxmemory-policy");
  if (policy !== null && policy !== "noeviction") {
    warn(
      `maxmemory-policy ${policy} may evict positions and history`,
      "maxmemory-policy noeviction",
    );
  }
  const limits = await readSetting(shard, "client-output-buffer-limit");
  const hardLimit = Number(/pubsub (\d+)/.exec(limits ?? "")?.[1] ?? 0);
  if (hardLimit > 0 && hardLimit < MIN_PUBSUB_LIMIT_BYTES) {
    warn(
      `a node that stalls is cut off after ${hardLimit} bytes`,
      "client-output-buffer-limit pubsub 256mb 64mb 30",
    );
  }
}

/** One CONFIG GET; null where the server does not let us ask. */
async function readSetting(shard: Shard, name: string): Promise<string | null> {
  try {
    const reply = (await shard.call("CONFIG", "GET", name)) as Buffer[];
    return reply[1]?.toString("latin1") ?? null;
  } catch {
    return null;
  }
}
