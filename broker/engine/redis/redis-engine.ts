import { Code } from "../../../protocol/codes.ts";
import type { HistoryResult } from "../../../protocol/messages/history.ts";
import type { PresenceMember } from "../../../protocol/messages/presence.ts";
import { BrokerError } from "../../api.ts";
import type { Directory, LocalDirectory } from "../../directory.ts";
import { readHistory } from "../../history.ts";
import type { NamespaceOptions } from "../../namespace.ts";
import type { Engine, HistoryQuery, PublishAck } from "../engine.ts";
import { randomId } from "../epoch.ts";
import type { Stream } from "../stream.ts";
import { Auditor } from "./auditor.ts";
import { MessageKind, readMessage, readPresenceMessage } from "./envelope.ts";
import type { Group, PresenceChange } from "./envelope.ts";
import { Keys } from "./keys.ts";
import { Membership } from "./lease-membership.ts";
import type { Partition } from "./partition.ts";
import { Partitions } from "./partitions.ts";
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
  readonly #auditor: Auditor;
  readonly #membership: Membership;
  #wantsAll = 0;
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
        message: (channel, message) => this.#received(channel, message),
        assigned: (partition, shard) => this.#membership.assigned(partition, shard),
        resubscribed: (shard) => {
          this.#membership.resubscribed(shard);
          this.#auditor.audit((stream) => this.#partitionOf(stream).shard === shard);
        },
        subscribed: ({ index }) => this.#auditor.audit((stream) => stream.partition === index),
      },
    });
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

  /**
   * Connects, and joins the other nodes. Redis need not be there yet: then it goes on in the background after a
   * short while, and `isReady` says so.
   * @throws Error when the data in Redis was made with other partitions
   */
  async start(): Promise<void> {
    this.#partitions.start();
    this.#auditor.start();
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
    this.#partitions.stop();
  }

  isReady(): boolean {
    return this.#partitions.isReady;
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
    for (const partition of this.#partitions.all()) {
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
    for (const partition of this.#partitions.all()) partition.removeInterest();
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
    const refusal = outbox.add(own, source, start, end, meta, publicationId, waiting, requestId);
    if (refusal !== null) ack?.publishFailed(requestId, refusal);
    else if (!isAwaited) ack?.published(requestId, 0, "");
    return 0;
  }

  #received(channel: string, message: Buffer): void {
    if (this.#membership.received(channel, message) || !this.#partitions.has(channel)) return;
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
    this.#partitions.expire();
  }
}
