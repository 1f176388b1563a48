import { Code } from "../../../protocol/codes.ts";
import type { HistoryResult } from "../../../protocol/messages/history.ts";
import type { PresenceMember } from "../../../protocol/messages/presence.ts";
import { BrokerError } from "../../api.ts";
import type { ShardHealth } from "../../api.ts";
import type { Directory, LocalDirectory } from "../../directory.ts";
import { readHistory } from "../../history.ts";
import type { NamespaceOptions } from "../../namespace.ts";
import type { EngineTracer, TracePeers } from "../../tracing/bus-tracer.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import type { Engine, HistoryQuery, PublishAck } from "../engine.ts";
import { randomId } from "../epoch.ts";
import type { Stream } from "../stream.ts";
import { Attachments } from "./attachments.ts";
import { Auditor } from "./auditor.ts";
import { EngineTracing } from "./engine-tracing.ts";
import { Inbox } from "./inbox.ts";
import { Keys } from "./keys.ts";
import { asBrokerError } from "./lease-home.ts";
import { Membership } from "./lease-membership.ts";
import type { Partition } from "./partition.ts";
import { Partitions } from "./partitions.ts";
import { Reach, shardHealth } from "./reach.ts";
import { noStats } from "./redis-engine-options.ts";
import type { RedisEngineOptions, RedisEngineStats } from "./redis-engine-options.ts";
import { RedisStream } from "./redis-stream.ts";
import type { Shard } from "./shard.ts";
import { StreamReader } from "./stream-reader.ts";

export type {
  RedisEngineOptions,
  RedisEngineStats,
  RedisTopologyOptions,
} from "./redis-engine-options.ts";

/** `start` waits this long for Redis, so that a wrong configuration stops it. */
const START_WINDOW_MS = 1500;

const DAY_MS = 86_400_000;

/** Streams shared by all nodes through Redis. */
export class RedisEngine implements Engine {
  readonly name = "redis";
  readonly stats: RedisEngineStats;
  readonly #options: RedisEngineOptions;
  readonly #keys: Keys;
  readonly #partitions: Partitions;
  readonly #streams = new Map<string, RedisStream>();
  readonly #reader: StreamReader;
  readonly #inbox: Inbox;
  readonly #attachments: Attachments;
  readonly #auditor: Auditor;
  readonly #membership: Membership;
  readonly #reach: Reach;
  readonly #tracing: EngineTracing;
  #nextId = 1;
  #onUnknown: (channel: string) => void = () => {};

  constructor(options: RedisEngineOptions) {
    this.#options = options;
    this.stats = options.stats ?? noStats();
    this.#keys = new Keys(options.prefix, options.partitions);
    // A node that comes back is another: what it had under way is not its any more.
    const incarnation = `${options.node}.${randomId(8)}`;
    this.#partitions = new Partitions({
      engine: options,
      keys: this.#keys,
      incarnation,
      stats: this.stats,
      host: {
        message: (channel, message) => {
          if (!this.#membership.received(channel, message)) this.#inbox.received(channel, message);
        },
        assigned: (partition, shard) => this.#membership.assigned(partition, shard),
        commonMs: () => this.#tracing.commonMs(),
        settled: (partition, batch, outcome) => this.#tracing.settled(partition, batch, outcome),
        lost: () => this.#reach.lost(),
        resubscribed: (shard) => {
          this.#membership.resubscribed(shard);
          this.#tracing.resubscribed(shard);
          this.#reach.regained();
          this.#auditor.audit((stream) => this.#partitionOf(stream).shard === shard);
        },
        subscribed: ({ index }, own) =>
          this.#auditor.audit((stream) => stream.partition === index && stream.ownPubsub === own),
      },
    });
    this.#tracing = new EngineTracing({
      engine: options,
      incarnation,
      partitionOf: (channel) => this.#keys.partition(channel),
      shardAt: (partition) => this.#partitions.shardAt(partition),
      ask: (producer, request) => this.#membership.askTrace(producer, request),
      tellRule: (change) => this.#membership.tellTraceRule(change),
    });
    this.#reach = new Reach({
      partitionCount: options.partitions,
      shardAt: (partition) => this.#partitions.shardAt(partition),
    });
    this.#reader = new StreamReader({
      keys: this.#keys,
      shardOf: (stream) => this.#shardOf(stream),
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      clock: options.clock,
      logger: options.logger,
      stats: this.stats,
    });
    this.#inbox = new Inbox({
      keys: this.#keys,
      incarnation,
      streams: this.#streams,
      reader: this.#reader,
      openUnknown: (channel) => this.#onUnknown(channel),
      clock: options.clock,
      logger: options.logger,
    });
    this.#attachments = new Attachments({
      partitions: this.#partitions,
      reader: this.#reader,
      inbox: this.#inbox,
      clock: options.clock,
      giveUpMs: options.giveUpMs,
    });
    this.#auditor = new Auditor({
      keys: this.#keys,
      streams: () => this.#streams.values(),
      shardOf: (stream) => this.#partitionOf(stream).shard,
      heal: (stream) => this.#reader.heal(stream),
      clock: options.clock,
    });
    this.#membership = new Membership({
      traceAsked: (request) => this.#tracing.asked(request),
      traceRuleChanged: (change) => this.#tracing.ruleChanged(change),
      commonMs: () => this.#tracing.commonMs(),
      keys: this.#keys,
      shardOf: (partition) => this.#partitions.shardAt(partition),
      incarnation,
      isAllowed: () => this.#partitions.mismatch === null,
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

  connectTracing(tracer: EngineTracer): TracePeers {
    return this.#tracing.connect(tracer);
  }

  /**
   * Connects, and joins the other nodes. Redis need not be there yet: then it goes on in the background after a
   * short while, and `isReady` says so.
   * @throws Error when the data in Redis was made with other partitions
   */
  async start(): Promise<void> {
    this.#partitions.start();
    this.#auditor.start();
    this.#tracing.start();
    const wait = Promise.withResolvers<void>();
    const timer = setTimeout(wait.resolve, this.#options.startWindowMs ?? START_WINDOW_MS);
    await Promise.race([this.#partitions.firstCheck, wait.promise]);
    const { mismatch } = this.#partitions;
    // Who is let in before the others can count it is let in on top of the limits.
    if (mismatch === null) await Promise.race([this.#membership.start(), wait.promise]);
    clearTimeout(timer);
    if (mismatch === null) return;
    await this.stop();
    throw new Error(mismatch);
  }

  async stop(): Promise<void> {
    await this.#membership.stop();
    this.#auditor.stop();
    this.#tracing.stop();
    this.#reach.stop();
    this.#partitions.stop();
  }

  isReady(): boolean {
    return this.#partitions.isReady;
  }

  shards(): ShardHealth[] {
    return this.#partitions.shards().map(shardHealth);
  }

  isReached(stream: Stream | null): boolean {
    return this.#reach.isReached(stream === null ? null : (stream as RedisStream).partition);
  }

  onReachChanged(changed: () => void): void {
    this.#reach.onChanged(changed);
  }

  #shardOf(stream: RedisStream): Shard {
    const { shard } = this.#partitionOf(stream);
    if (shard === null) throw new BrokerError(Code.unavailable);
    return shard;
  }

  #partitionOf(stream: RedisStream): Partition {
    return this.#partitions.at(stream.partition);
  }

  open(name: string, options: NamespaceOptions): RedisStream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      const { clock, channelIdleMs } = this.#options;
      const nowMs = clock.nowMs();
      stream = new RedisStream(name, this.#nextId++, this.#keys, options, nowMs, channelIdleMs);
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
    return this.#attachments.attach(stream as RedisStream);
  }

  detach(stream: Stream): void {
    this.#attachments.detach(stream as RedisStream);
  }

  attachAll(): Promise<void> | undefined {
    return this.#attachments.attachAll();
  }

  detachAll(): void {
    this.#attachments.detachAll();
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
    trace: PublishTrace | null = null,
  ): number {
    const own = stream as RedisStream;
    const { mismatch } = this.#partitions;
    if (mismatch !== null) {
      ack?.publishFailed(requestId, new BrokerError(Code.unavailable, mismatch));
      return 0;
    }
    own.lastUsedMs = this.#options.clock.nowMs();
    const { ordered, plain } = this.#partitionOf(own);
    const outbox = own.isRecoverable ? ordered : plain;
    // Without an acknowledgement to wait for, being taken in is all that is told.
    const isAwaited = own.options.ack !== "none";
    const waiting = isAwaited ? ack : null;
    const refusal = outbox.add(
      own,
      source,
      start,
      end,
      meta,
      publicationId,
      waiting,
      requestId,
      trace,
    );
    if (refusal !== null) {
      this.#tracing.refused(own, end - start, refusal.info.name, trace);
      ack?.publishFailed(requestId, refusal);
      return 0;
    }
    if (own.isLocalFirst) this.#inbox.publishedHere(own, source, start, end, meta, trace);
    if (!isAwaited) ack?.published(requestId, 0, "");
    return 0;
  }

  history(stream: Stream, query: HistoryQuery): HistoryResult | Promise<HistoryResult> {
    const own = stream as RedisStream;
    if (own.phase === "live") return readHistory(own, query, this.#options.clock.nowMs());
    return this.#reader.readDetached(own, query).catch((error: unknown) => {
      throw asBrokerError(error);
    });
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

  sweep(nowMs: number): void {
    for (const stream of this.#streams.values()) stream.log.trim(nowMs);
    this.#partitions.expire();
  }
}
