import { ClusterTopology } from "./cluster-topology.ts";
import type { ShardAddress } from "./connection.ts";
import type { Keys } from "./keys.ts";
import type { OutboxBatch, SendOutcome } from "./outbox-batch.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxHost } from "./outbox.ts";
import { Partition } from "./partition.ts";
import type { PartitionHost } from "./partition.ts";
import type { PublisherContext } from "./publisher.ts";
import { RESEND_LIMIT_MS, sendOrdered, sendPlain } from "./publisher.ts";
import type { RedisEngineOptions, RedisEngineStats } from "./redis-engine-options.ts";
import type { RedisStream } from "./redis-stream.ts";
import { Shard } from "./shard.ts";
import { checkServerSettings, checkSharedConfig } from "./startup-checks.ts";
import { StaticTopology } from "./topology.ts";
import type { Topology, TopologyHost } from "./topology.ts";

const RECHECK_MS = 200;

export interface PartitionsHost extends PartitionHost {
  /** A message on a pub/sub channel this node subscribed to. */
  message(channel: string, message: Buffer): void;
  /** Time of the clock that all nodes share, ms since 1970. */
  commonMs(): number;
  /** It is known what became of a batch. */
  settled(partition: number, batch: OutboxBatch<RedisStream>, outcome: SendOutcome): void;
  /** A partition is on this shard now; null while nobody has it. */
  assigned(partition: number, shard: Shard | null): void;
  /** The subscriptions on a server do not stand any more. */
  lost(shard: Shard): void;
  /** All subscriptions on a server stand, after a time in which messages may have been missed. */
  resubscribed(shard: Shard): void;
}

export interface PartitionsOptions {
  readonly engine: RedisEngineOptions;
  readonly keys: Keys;
  /** Name of this run of this node. */
  readonly incarnation: string;
  readonly stats: RedisEngineStats;
  readonly host: PartitionsHost;
}

/**
 * Every partition on this node, the servers they are on, and what must be right with a server before this
 * node works with its data.
 */
export class Partitions {
  readonly #options: PartitionsOptions;
  readonly #topology: Topology;
  readonly #all: Partition[] = [];
  readonly #checked = new WeakSet<Shard>();
  readonly #firstCheck = Promise.withResolvers<void>();
  #mismatch: string | null = null;
  #isStopped = false;

  constructor(options: PartitionsOptions) {
    this.#options = options;
    this.#topology = this.#createTopology();
  }

  /** Resolves when the first server has been looked at. */
  get firstCheck(): Promise<void> {
    return this.#firstCheck.promise;
  }

  /** Why this node must not work with this data; null when it may. */
  get mismatch(): string | null {
    return this.#mismatch;
  }

  all(): readonly Partition[] {
    return this.#all;
  }

  at(index: number): Partition {
    return this.#all[index] as Partition;
  }

  shardAt(index: number): Shard | null {
    return this.#all[index]?.shard ?? null;
  }

  start(): void {
    for (let index = 0; index < this.#options.keys.partitionCount; index++) this.#add(index);
    this.#topology.start();
  }

  stop(): void {
    this.#isStopped = true;
    for (const partition of this.#all) partition.stop();
    this.#topology.stop();
  }

  get isReady(): boolean {
    if (this.#mismatch !== null) return false;
    return this.#all.every(
      ({ shard }) => shard?.canPublish === true && shard.canRead && shard.isFollowing,
    );
  }

  shards(): readonly Shard[] {
    return this.#topology.shards();
  }

  /** Tells publishers who have waited long enough. */
  expire(): void {
    for (const { ordered, plain } of this.#all) {
      ordered.expire();
      plain.expire();
    }
  }

  /** Looks at a server when it is reached, once. */
  async #check(shard: Shard): Promise<void> {
    if (this.#checked.has(shard)) return;
    this.#checked.add(shard);
    const { keys, engine } = this.#options;
    const { logger } = engine;
    try {
      const mismatch = await checkSharedConfig(shard, keys);
      if (mismatch !== null) this.refuse(mismatch);
      await checkServerSettings(shard, logger);
    } catch (error) {
      this.#checked.delete(shard);
      logger.log("debug", "redis_check_failed", { shard: shard.index, error: String(error) });
      // The connection for reads may come up after the one that told us.
      if (!this.#isStopped) setTimeout(() => void this.#check(shard), RECHECK_MS);
      return;
    }
    this.#firstCheck.resolve();
  }

  /** This node must not work with this data. */
  refuse(reason: string): void {
    if (this.#mismatch !== null || this.#isStopped) return;
    this.#mismatch = reason;
    this.#options.engine.logger.log("error", "redis_config_mismatch", { error: reason });
  }

  #createTopology(): Topology {
    const { keys, engine, host } = this.#options;
    const { topology, logger } = engine;
    const topologyHost: TopologyHost = {
      partitionCount: keys.partitionCount,
      createShard: (index, address, isCluster) => this.#createShard(index, address, isCluster),
      assigned: (partition, shard) => {
        this.#all[partition]?.assign(shard);
        host.assigned(partition, shard);
      },
    };
    return topology.type === "servers"
      ? new StaticTopology(topologyHost, topology.shards)
      : new ClusterTopology(topologyHost, {
          seeds: topology.seeds,
          ca: topology.ca,
          tag: (partition) => keys.tag(partition),
          logger,
        });
  }

  #createShard(index: number, address: ShardAddress, isCluster: boolean): Shard {
    const { keys, incarnation, engine, host } = this.#options;
    const { clock, logger } = engine;
    return new Shard(index, address, isCluster, keys.canary(incarnation, index), {
      clock,
      logger,
      message: (channel, message) => host.message(channel, message),
      moved: () => this.#topology.refresh(),
      resubscribed: (shard) => {
        void this.#check(shard);
        host.resubscribed(shard);
      },
      lostSubscriptions: (shard) => {
        logger.log("warn", "redis_subscriptions_lost", { shard: shard.index });
        this.#topology.refresh();
        host.lost(shard);
      },
    });
  }

  #add(index: number): void {
    const { keys, incarnation, engine, stats, host } = this.#options;
    const { maxOutboxPublications, maxOutboxBytes, giveUpMs, clock } = engine;
    const context: PublisherContext = {
      shard: () => this.shardAt(index),
      keys,
      partition: index,
      producer: incarnation,
      ring: keys.ring(index, incarnation),
      clock,
      commonMs: () => host.commonMs(),
      logger: engine.logger,
      counters: engine.counters,
      idempotencyWindowMs: engine.idempotencyWindowMs,
    };
    const outboxHost = (send: OutboxHost<RedisStream>["send"]): OutboxHost<RedisStream> => ({
      nowMs: () => clock.nowMs(),
      schedule: (work) => setImmediate(work),
      after: (ms, work) => setTimeout(work, ms),
      gaveUp: (publications) => {
        stats.gaveUp += publications;
      },
      send: (batch) => {
        stats.batches++;
        return send(batch);
      },
      settled: (batch, outcome) => host.settled(index, batch, outcome),
    });
    const bounds = {
      maxPublications: maxOutboxPublications,
      maxBytes: maxOutboxBytes,
      giveUpMs,
      retryMs: 50,
      forgetMs: RESEND_LIMIT_MS,
    };
    const ordered = new Outbox(
      outboxHost((batch) => sendOrdered(context, batch)),
      { ...bounds, isRetried: true },
    );
    const plain = new Outbox(
      outboxHost((batch) => sendPlain(context, batch)),
      { ...bounds, isRetried: false },
    );
    this.#all.push(new Partition(index, keys.pubsub(index), { ordered, plain }, host));
  }
}
