import { Code } from "../../../protocol/codes.ts";
import type { HistoryResult } from "../../../protocol/messages/history.ts";
import type { PresenceMember } from "../../../protocol/messages/presence.ts";
import { BrokerError } from "../../api.ts";
import type { Directory, LocalDirectory } from "../../directory.ts";
import { readHistory } from "../../history.ts";
import type { NamespaceOptions } from "../../namespace.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { Engine, HistoryQuery, PublishAck } from "../engine.ts";
import { randomId } from "../epoch.ts";
import type { Stream } from "../stream.ts";
import { Auditor } from "./auditor.ts";
import { ClusterTopology } from "./cluster-topology.ts";
import type { ShardAddress } from "./connection.ts";
import { MessageKind, readMessage, readPresenceMessage } from "./envelope.ts";
import type { Group, PresenceChange } from "./envelope.ts";
import { Keys } from "./keys.ts";
import { Membership } from "./lease-membership.ts";
import type { MembershipStats } from "./lease-membership.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxHost } from "./outbox.ts";
import { Partition } from "./partition.ts";
import type { PublisherContext } from "./publisher.ts";
import { RESEND_LIMIT_MS, sendOrdered, sendPlain } from "./publisher.ts";
import { RedisStream } from "./redis-stream.ts";
import { Shard } from "./shard.ts";
import { checkServerSettings, checkSharedConfig } from "./startup-checks.ts";
import { StreamReader } from "./stream-reader.ts";
import { StaticTopology } from "./topology.ts";
import type { Topology, TopologyHost } from "./topology.ts";

/** `start` waits this long for the first server, so that a wrong configuration stops it. */
const FIRST_CHECK_MS = 1500;

const RECHECK_MS = 200;

/** Where Redis is: servers that share the partitions for good, or a cluster that moves them. */
export type RedisTopologyOptions =
  | { readonly type: "servers"; readonly shards: readonly ShardAddress[] }
  | { readonly type: "cluster"; readonly seeds: readonly string[] };

export interface RedisEngineOptions {
  readonly topology: RedisTopologyOptions;
  readonly prefix: string;
  readonly partitions: number;
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts publishes that were answered with an earlier one's offset. */
  readonly counters: { duplicates: number };
  /** Where the engine counts; default: numbers of its own. */
  readonly stats?: RedisEngineStats;
  readonly idempotencyWindowMs: number;
  readonly channelIdleMs: number;
  /** Bounds of each partition's outbox. */
  readonly maxOutboxPublications: number;
  readonly maxOutboxBytes: number;
  /** How long a publisher waits before it is told that the outcome is not known, ms. */
  readonly giveUpMs: number;
  /** How long a revocation is in force, ms; default: a day. */
  readonly revocationTtlMs?: number;
  /** How long a node counts that gives no sign of life, ms; default: 12 s. */
  readonly leaseMs?: number;
}

const DAY_MS = 86_400_000;

/** What the engine counts for the metrics and the tests. */
export interface RedisEngineStats extends MembershipStats {
  batches: number;
  duplicatesDropped: number;
  gapsHealed: number;
  resets: number;
  gaveUp: number;
}

function noStats(): RedisEngineStats {
  return {
    batches: 0,
    duplicatesDropped: 0,
    gapsHealed: 0,
    resets: 0,
    gaveUp: 0,
    leasesLost: 0,
    nodesSwept: 0,
    admittedUnchecked: 0,
  };
}

/** Streams shared by all nodes through Redis. */
export class RedisEngine implements Engine {
  readonly name = "redis";
  readonly stats: RedisEngineStats;
  readonly #options: RedisEngineOptions;
  readonly #keys: Keys;
  readonly #topology: Topology;
  readonly #partitions: Partition[] = [];
  readonly #byPubsub = new Map<string, Partition>();
  readonly #streams = new Map<string, RedisStream>();
  readonly #reader: StreamReader;
  readonly #auditor: Auditor;
  readonly #membership: Membership;
  /** A node that comes back is another: what it had under way is not its any more. */
  readonly #incarnation: string;
  #wantsAll = 0;
  readonly #checked = new WeakSet<Shard>();
  readonly #firstCheck = Promise.withResolvers<void>();
  /** Why this node must not work with this data; null when it may. */
  #mismatch: string | null = null;
  #isStopped = false;
  #nextId = 1;
  #onUnknown: (channel: string) => void = () => {};

  constructor(options: RedisEngineOptions) {
    this.#options = options;
    this.stats = options.stats ?? noStats();
    this.#keys = new Keys(options.prefix, options.partitions);
    this.#incarnation = `${options.node}.${randomId(8)}`;
    this.#topology = this.#createTopology();
    this.#reader = new StreamReader({
      keys: this.#keys,
      shardOf: (stream) => this.#shardOf(stream),
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      clock: options.clock,
      logger: options.logger,
      stats: this.stats,
    });
    this.#auditor = new Auditor({
      keys: this.#keys,
      streams: () => this.#streams.values(),
      shardOf: (stream) => this.#partitionOf(stream).shard,
      heal: (stream) => this.#reader.heal(stream),
      clock: options.clock,
    });
    this.#membership = new Membership({
      keys: this.#keys,
      shardOf: (partition) => this.#partitions[partition]?.shard ?? null,
      incarnation: this.#incarnation,
      isAllowed: () => this.#mismatch === null,
      clock: options.clock,
      logger: options.logger,
      stats: this.stats,
      leaseMs: options.leaseMs,
      revocationTtlMs: options.revocationTtlMs ?? DAY_MS,
    });
  }

  createDirectory(local: LocalDirectory): Directory {
    return this.#membership.createDirectory(local);
  }

  /**
   * Connects. Redis need not be there yet: then it goes on in the background, and `isReady` says so.
   * @throws Error when the data in Redis was made with other partitions
   */
  async start(): Promise<void> {
    for (let index = 0; index < this.#keys.partitionCount; index++) this.#addPartition(index);
    this.#topology.start();
    this.#auditor.start();
    const wait = Promise.withResolvers<void>();
    const timer = setTimeout(wait.resolve, FIRST_CHECK_MS);
    await Promise.race([this.#firstCheck.promise, wait.promise]);
    clearTimeout(timer);
    if (this.#mismatch === null) {
      await this.#membership.start();
      return;
    }
    await this.stop();
    throw new Error(this.#mismatch);
  }

  /** Looks at a server when it is reached, once. */
  async #check(shard: Shard): Promise<void> {
    if (this.#checked.has(shard)) return;
    this.#checked.add(shard);
    const { logger } = this.#options;
    try {
      this.#mismatch ??= await checkSharedConfig(shard, this.#keys);
      await checkServerSettings(shard, logger);
    } catch (error) {
      this.#checked.delete(shard);
      logger.log("debug", "redis_check_failed", { shard: shard.index, error: String(error) });
      // The connection for reads may come up after the one that told us.
      if (!this.#isStopped) setTimeout(() => void this.#check(shard), RECHECK_MS);
      return;
    }
    this.#firstCheck.resolve();
    if (this.#mismatch === null || this.#isStopped) return;
    logger.log("error", "redis_config_mismatch", { error: this.#mismatch });
  }

  #createTopology(): Topology {
    const { topology, logger } = this.#options;
    const host: TopologyHost = {
      partitionCount: this.#keys.partitionCount,
      createShard: (index, address, isCluster) => this.#createShard(index, address, isCluster),
      assigned: (partition, shard) => {
        this.#partitions[partition]?.assign(shard);
        this.#membership.assigned(partition, shard);
      },
    };
    return topology.type === "servers"
      ? new StaticTopology(host, topology.shards)
      : new ClusterTopology(host, {
          seeds: topology.seeds,
          tag: (partition) => this.#keys.tag(partition),
          logger,
        });
  }

  #createShard(index: number, address: ShardAddress, isCluster: boolean): Shard {
    const { clock, logger } = this.#options;
    return new Shard(index, address, isCluster, this.#keys.canary(this.#incarnation, index), {
      clock,
      logger,
      message: (channel, message) => this.#received(channel, message),
      moved: () => this.#topology.refresh(),
      resubscribed: (shard) => {
        void this.#check(shard);
        this.#membership.resubscribed(shard);
        this.#auditor.audit((stream) => this.#partitionOf(stream).shard === shard);
      },
      lostSubscriptions: (shard) => {
        logger.log("warn", "redis_subscriptions_lost", { shard: shard.index });
        this.#topology.refresh();
      },
    });
  }

  #addPartition(index: number): void {
    const { maxOutboxPublications, maxOutboxBytes, giveUpMs, node } = this.#options;
    const context: PublisherContext = {
      shard: () => this.#partitions[index]?.shard ?? null,
      keys: this.#keys,
      partition: index,
      producer: `${this.#incarnation}.${node}`,
      clock: this.#options.clock,
      logger: this.#options.logger,
      counters: this.#options.counters,
      idempotencyWindowMs: this.#options.idempotencyWindowMs,
    };
    const host = (send: OutboxHost<RedisStream>["send"]): OutboxHost<RedisStream> => ({
      nowMs: () => this.#options.clock.nowMs(),
      schedule: (work) => setImmediate(work),
      after: (ms, work) => setTimeout(work, ms),
      gaveUp: (publications) => {
        this.stats.gaveUp += publications;
      },
      send: (batch) => {
        this.stats.batches++;
        return send(batch);
      },
    });
    const bounds = {
      maxPublications: maxOutboxPublications,
      maxBytes: maxOutboxBytes,
      giveUpMs,
      retryMs: 50,
      forgetMs: RESEND_LIMIT_MS,
    };
    const partition = new Partition(
      index,
      this.#keys.pubsub(index),
      {
        ordered: new Outbox(
          host((batch) => sendOrdered(context, batch)),
          { ...bounds, isRetried: true },
        ),
        plain: new Outbox(
          host((batch) => sendPlain(context, batch)),
          { ...bounds, isRetried: false },
        ),
      },
      { subscribed: () => this.#auditor.audit((stream) => stream.partition === index) },
    );
    this.#partitions.push(partition);
    this.#byPubsub.set(partition.pubsub, partition);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#membership.stop();
    this.#auditor.stop();
    for (const partition of this.#partitions) partition.stop();
    this.#topology.stop();
  }

  isReady(): boolean {
    if (this.#mismatch !== null) return false;
    return this.#partitions.every(
      ({ shard }) => shard?.canPublish === true && shard.canRead && shard.isSubscribed,
    );
  }

  #shardOf(stream: RedisStream): Shard {
    const { shard } = this.#partitionOf(stream);
    if (shard === null) throw new BrokerError(Code.unavailable);
    return shard;
  }

  #partitionOf(stream: RedisStream): Partition {
    return this.#partitions[stream.partition] as Partition;
  }

  open(name: string, options: NamespaceOptions): RedisStream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      const partition = this.#keys.partition(name);
      const nowMs = this.#options.clock.nowMs();
      const { channelIdleMs } = this.#options;
      stream = new RedisStream(name, this.#nextId++, partition, options, nowMs, channelIdleMs);
      this.#streams.set(name, stream);
    }
    return stream;
  }

  close(stream: Stream): void {
    this.#streams.delete(stream.name);
  }

  isIdle(stream: Stream, nowMs: number): boolean {
    const own = stream as RedisStream;
    // Redis keeps the position: this node may forget the stream as soon as nobody uses it.
    return own.phase === "detached" && nowMs - own.lastUsedMs > 10_000;
  }

  onUnknownChannel(open: (channel: string) => void): void {
    this.#onUnknown = open;
  }

  attach(stream: Stream): Promise<void> | undefined {
    const own = stream as RedisStream;
    own.phase = "reading";
    own.interest++;
    return this.#attach(own, this.#partitionOf(own));
  }

  async #attach(stream: RedisStream, partition: Partition): Promise<void> {
    try {
      await this.#inTime(partition.addInterest());
      await this.#reader.begin(stream);
    } catch (error) {
      this.detach(stream);
      if (error instanceof BrokerError) throw error;
      throw new BrokerError(Code.unavailable, Code.unavailable.text, { cause: error });
    }
  }

  detach(stream: Stream): void {
    const own = stream as RedisStream;
    if (own.phase === "detached") return;
    own.phase = "detached";
    own.lastUsedMs = this.#options.clock.nowMs();
    own.release();
    own.log = own.logFrom(own.isRecoverable ? 0 : own.log.offset);
    this.#partitionOf(own).removeInterest();
  }

  attachAll(): Promise<void> | undefined {
    this.#wantsAll++;
    const pending: Promise<void>[] = [];
    for (const partition of this.#partitions) {
      const waiting = partition.addInterest();
      if (waiting !== undefined) pending.push(waiting);
    }
    return pending.length === 0 ? undefined : this.#inTime(Promise.all(pending));
  }

  /** Rejects when Redis cannot be had for longer than a publisher would wait. */
  async #inTime(pending: Promise<unknown> | undefined): Promise<void> {
    if (pending === undefined) return;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new BrokerError(Code.unavailable)),
      this.#options.giveUpMs,
    );
    try {
      await Promise.race([pending, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  detachAll(): void {
    this.#wantsAll--;
    for (const partition of this.#partitions) partition.removeInterest();
  }

  publish(
    stream: Stream,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    publicationId: string | null,
    ack: PublishAck | null,
    requestId: number,
  ): number {
    const own = stream as RedisStream;
    if (this.#mismatch !== null) {
      ack?.publishFailed(requestId, new BrokerError(Code.unavailable, this.#mismatch));
      return 0;
    }
    own.lastUsedMs = this.#options.clock.nowMs();
    const { ordered, plain } = this.#partitionOf(own);
    const outbox = own.isRecoverable ? ordered : plain;
    // Without an acknowledgement to wait for, being taken in is all that is told.
    const isAwaited = own.options.ack !== "none";
    const waiting = isAwaited ? ack : null;
    const refusal = outbox.add(own, source, start, end, meta, publicationId, waiting, requestId);
    if (refusal !== null) ack?.publishFailed(requestId, refusal);
    else if (!isAwaited) ack?.published(requestId, 0, "");
    return 0;
  }

  #received(channel: string, message: Buffer): void {
    if (this.#membership.received(channel, message) || !this.#byPubsub.has(channel)) return;
    try {
      if (message[0] === MessageKind.presence) {
        readPresenceMessage(message, (change) => this.#presenceChanged(change));
      } else readMessage(message, (group) => this.#receivedGroup(group));
    } catch (error) {
      // Somebody else writes to our pub/sub channel: say so, and let the audit find what may be missing.
      this.#options.logger.log("error", "redis_message_unreadable", {
        channel,
        error: String(error),
      });
    }
  }

  #receivedGroup(group: Group): void {
    let stream = this.#streams.get(group.channel);
    if (stream === undefined || stream.phase === "detached") {
      if (this.#wantsAll === 0) return;
      this.#onUnknown(group.channel);
      stream = this.#streams.get(group.channel);
      if (stream === undefined || stream.phase === "detached") return;
    }
    if (stream.phase === "reading") stream.hold(group);
    else this.#reader.apply(stream, group);
  }

  history(stream: Stream, query: HistoryQuery): HistoryResult | Promise<HistoryResult> {
    const own = stream as RedisStream;
    if (own.phase === "live") return readHistory(own, query, this.#options.clock.nowMs());
    return this.#reader.readDetached(own, query);
  }

  enterPresence(stream: Stream, member: PresenceMember): void {
    this.#membership.presence.enter(stream as RedisStream, member);
  }

  leavePresence(stream: Stream, member: PresenceMember): void {
    this.#membership.presence.leave(stream as RedisStream, member);
  }

  presence(stream: Stream): Promise<readonly PresenceMember[]> {
    return this.#membership.presence.read(stream as RedisStream);
  }

  /** This node's own changes come back this way too, so that all nodes see them in one order. */
  #presenceChanged({ type, channel, member }: PresenceChange): void {
    const stream = this.#streams.get(channel);
    if (stream === undefined || stream.phase === "detached") return;
    stream.listener?.presenceChanged(type, member);
  }

  sweep(nowMs: number): void {
    for (const stream of this.#streams.values()) stream.log.trim(nowMs);
    for (const { ordered, plain } of this.#partitions) {
      ordered.expire();
      plain.expire();
    }
  }
}
