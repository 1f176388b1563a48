import type { PresenceMember } from "../../../protocol/messages/presence.ts";
import type { Logger } from "../../ports.ts";
import { nameHash } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { asBrokerError, failureKind, messageOf, requireShard, texts } from "./lease-home.ts";
import type { ShardOf } from "./lease-home.ts";
import type { LeaseTimings } from "./lease-timings.ts";
import type { Lease, LeaseLoss } from "./lease.ts";
import { PresencePartition } from "./presence-partition.ts";
import type { Change, ChangeOutcome } from "./presence-partition.ts";
import { changePresenceScript } from "./presence-scripts.ts";
import type { RedisStream } from "./redis-stream.ts";
import type { Shard } from "./shard.ts";

/** Entries of a dead node that are deleted in one call. */
const SWEEP_BATCH = 200;

export interface PresenceOptions {
  readonly keys: Keys;
  readonly lease: Lease;
  readonly shardOf: ShardOf;
  readonly timings: LeaseTimings;
  readonly logger: Logger;
}

/**
 * Who is present on the channels of all nodes. Each node writes its own connections, on entering and leaving
 * only, under its lease; what it writes it keeps itself as well, so it can write it again when Redis has
 * lost it, and an answer is right about this node's connections at any moment.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #partitions = new Map<number, PresencePartition>();
  #isStopped = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  enter({ name, hash, partition, ownPubsub }: RedisStream, member: PresenceMember): void {
    if (this.#isStopped) return;
    const route = ownPubsub === null ? "shared" : "own";
    this.#partition(partition).enter(name, hash, route, member);
  }

  leave({ name, partition }: RedisStream, { connection }: PresenceMember): void {
    this.#partitions.get(partition)?.leave(name, connection);
  }

  #partition(index: number): PresencePartition {
    let partition = this.#partitions.get(index);
    if (partition === undefined) {
      partition = new PresencePartition({
        isReady: () => this.#options.lease.isHeld,
        send: (changes) => this.#send(index, changes),
      });
      this.#partitions.set(index, partition);
    }
    return partition;
  }

  async #send(partition: number, changes: readonly Change[]): Promise<ChangeOutcome> {
    const { lease, shardOf, timings, logger } = this.#options;
    try {
      const shard = requireShard(shardOf(partition));
      const foreign = await this.#change(shard, partition, lease.name, changes, kindOf);
      return { type: "done", made: foreign.map((key) => key === "") };
    } catch (error) {
      switch (failureKind(error)) {
        case "unknown":
          return { type: "unknown", retryMs: timings.retryMs };
        case "unsent":
          return { type: "unsent", retryMs: timings.retryMs };
        case "refused":
          logger.log("error", "presence_refused", { partition, error: messageOf(error) });
          return { type: "unsent", retryMs: timings.renewMs };
      }
    }
  }

  /** Runs the script; per change "" or the key that holds something foreign, which is logged. */
  async #change<C extends Pick<Change, "channel" | "hash" | "route" | "connection" | "user">>(
    shard: Shard,
    partition: number,
    lease: string,
    changes: readonly C[],
    kind: (change: C) => string,
  ): Promise<string[]> {
    const { keys, logger } = this.#options;
    const names = [keys.presenceIndex(partition, lease)];
    const args = [lease, keys.pubsub(partition), shard.publishCommand, String(changes.length)];
    for (const change of changes) {
      names.push(keys.presence(partition, change.hash));
      args.push(kind(change), change.channel, change.connection, JSON.stringify(change.user));
      const own = keys.ownPubsub(partition, change.hash);
      args.push({ shared: "", own: `o${own}`, both: `b${own}` }[change.route]);
    }
    const foreign = texts(await shard.runBulk(changePresenceScript, names, args));
    for (const key of new Set(foreign)) {
      if (key !== "") logger.log("error", "redis_foreign_value", { key });
    }
    return foreign;
  }

  /**
   * Everybody who is present on a channel, on whichever node. A list that may lack some is not given.
   * @throws BrokerError unavailable, or internal when the key holds something foreign
   */
  async read({ name, hash, partition }: RedisStream): Promise<PresenceMember[]> {
    const { keys, lease, shardOf } = this.#options;
    const key = keys.presence(partition, hash);
    let entries: Entry[];
    try {
      entries = readEntries(await requireShard(shardOf(partition)).call("HGETALL", key));
    } catch (error) {
      throw asBrokerError(error, key);
    }
    // This node knows its own better: changes may be on their way.
    const others = entries.filter((entry) => !lease.isOwn(entry.lease));
    const isAlive = await lease.view.judge(new Set(others.map((entry) => entry.lease)));
    const members = this.#partitions.get(partition)?.members(name) ?? [];
    for (const entry of others) if (isAlive(entry.lease)) members.push(entry.member);
    return members;
  }

  /** The connections to Redis have been up again, or the lease stands: hands over what waits. */
  flush(): void {
    for (const partition of this.#partitions.values()) void partition.flush();
  }

  /** What this node had written is gone. */
  lost(loss: LeaseLoss): void {
    for (const partition of this.#partitions.values()) partition.rewrite(loss === "swept");
  }

  /** Compares the number of entries with Redis's: a server may have come back without its last writes. */
  async audit(): Promise<void> {
    const { shardOf, lease, keys } = this.#options;
    const settled = [...this.#partitions].filter(([, { isSettled }]) => isSettled);
    for (const [shard, group] of Map.groupBy(settled, ([index]) => shardOf(index))) {
      if (shard === null) continue;
      const counts = await shard.pipeline(
        group.map(([index]) => ["scard", keys.presenceIndex(index, lease.name)]),
      );
      for (const [at, [index, partition]] of group.entries()) {
        const [error, count] = counts?.[at] ?? [null, null];
        if (error !== null || !partition.isSettled || count === partition.madeCount) continue;
        await this.#repair(shard, index, partition);
      }
    }
  }

  async #repair(shard: Shard, index: number, partition: PresencePartition): Promise<void> {
    const { keys, lease, logger } = this.#options;
    logger.log("warn", "presence_repaired", { partition: index });
    const kept = texts(await shard.call("SMEMBERS", keys.presenceIndex(index, lease.name)));
    partition.rewrite(false);
    for (const { channel, hash, connection } of kept.map((entry) => readIndexEntry(entry))) {
      partition.retract(channel, hash, connection);
    }
  }

  /** Deletes what the holder of a lease entered, and tells of its leaving. */
  async sweep(lease: string): Promise<void> {
    const { keys, shardOf } = this.#options;
    for (let partition = 0; partition < keys.partitionCount; partition++) {
      const shard = requireShard(shardOf(partition));
      const index = keys.presenceIndex(partition, lease);
      for (;;) {
        const entries = texts(await shard.call("SRANDMEMBER", index, String(SWEEP_BATCH)));
        if (entries.length === 0) break;
        const changes = entries.map((entry) => readIndexEntry(entry));
        await this.#change(shard, partition, lease, changes, () => "s");
      }
    }
  }

  /** Takes all of this node's out; false when not all of it could be. */
  async leaveAll(): Promise<boolean> {
    this.#isStopped = true;
    const partitions = [...this.#partitions.values()];
    for (const partition of partitions) partition.leaveAll();
    await Promise.all(partitions.map((partition) => partition.flush()));
    return partitions.every(({ isSettled }) => isSettled);
  }

  stop(): void {
    this.#isStopped = true;
    for (const partition of this.#partitions.values()) partition.stop();
  }
}

/** How the script calls a change. */
function kindOf({ kind, isNews, wasTried }: Change): string {
  if (kind === "enter") return isNews ? "j" : "q";
  return isNews && !wasTried ? "l" : "r";
}

interface Entry {
  readonly lease: string;
  readonly member: PresenceMember;
}

/** Reads a channel's hash; what is not ours in it is left out. */
function readEntries(reply: unknown): Entry[] {
  const fields = texts(reply);
  const entries: Entry[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [connection, value] = [fields[i] as string, fields[i + 1] as string];
    const space = value.indexOf(" ");
    const user = readUser(value.slice(space + 1));
    if (space > 0 && user !== undefined) {
      entries.push({ lease: value.slice(0, space), member: { connection, user } });
    }
  }
  return entries;
}

function readUser(text: string): string | null | undefined {
  try {
    const user = JSON.parse(text) as unknown;
    return user === null || typeof user === "string" ? user : undefined;
  } catch {
    return undefined;
  }
}

/** "channel connection", as the script writes it. */
function readIndexEntry(entry: string): {
  readonly channel: string;
  readonly hash: string;
  readonly route: "both";
  readonly connection: string;
  readonly user: null;
} {
  const space = entry.indexOf(" ");
  const channel = entry.slice(0, space);
  const [hash, connection] = [nameHash(channel), entry.slice(space + 1)];
  return { channel, hash, route: "both", connection, user: null };
}
