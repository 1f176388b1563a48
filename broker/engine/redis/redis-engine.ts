import type { HistoryResult } from "../../../protocol/messages/history.ts";
import type { PresenceMember } from "../../../protocol/messages/presence.ts";
import type { ShardHealth } from "../../api.ts";
import { readHistory } from "../../channels/history.ts";
import type { NamespaceOptions } from "../../channels/namespace.ts";
import type { Directory, LocalDirectory } from "../../cluster/directory.ts";
import type { EngineTracer, TracePeers } from "../../tracing/engine-tracer.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import type { Engine, HistoryQuery, PublishAck } from "../engine.ts";
import type { Stream } from "../stream.ts";
import type { Attachments } from "./attachments.ts";
import type { Auditor } from "./auditor.ts";
import { createParts } from "./engine-parts.ts";
import type { EngineTracing } from "./engine-tracing.ts";
import type { Intake } from "./intake.ts";
import { asBrokerError } from "./lease-home.ts";
import type { Membership } from "./lease-membership.ts";
import type { Partitions } from "./partitions.ts";
import { shardHealth } from "./reach.ts";
import type { Reach } from "./reach.ts";
import type { RedisEngineOptions, RedisEngineStats } from "./redis-engine-options.ts";
import type { RedisStream } from "./redis-stream.ts";
import type { StreamReader } from "./stream-reader.ts";
import type { Streams } from "./streams.ts";

export type {
  RedisEngineOptions,
  RedisEngineStats,
  RedisTopologyOptions,
} from "./redis-engine-options.ts";

/** `start` waits this long for Redis, so that a wrong configuration stops it. */
const START_WINDOW_MS = 1500;

/** Streams shared by all nodes through Redis. */
export class RedisEngine implements Engine {
  readonly name = "redis";
  readonly stats: RedisEngineStats;
  readonly #options: RedisEngineOptions;
  readonly #partitions: Partitions;
  readonly #streams: Streams;
  readonly #intake: Intake;
  readonly #reader: StreamReader;
  readonly #attachments: Attachments;
  readonly #auditor: Auditor;
  readonly #membership: Membership;
  readonly #reach: Reach;
  readonly #tracing: EngineTracing;
  #onUnknown: (channel: string) => void = () => {};

  constructor(options: RedisEngineOptions) {
    this.#options = options;
    const parts = createParts(options, (channel) => this.#onUnknown(channel));
    this.stats = parts.stats;
    this.#partitions = parts.partitions;
    this.#streams = parts.streams;
    this.#intake = parts.intake;
    this.#reader = parts.reader;
    this.#attachments = parts.attachments;
    this.#auditor = parts.auditor;
    this.#membership = parts.membership;
    this.#reach = parts.reach;
    this.#tracing = parts.tracing;
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
   * @throws Error when the data in Redis was made with other partitions, or the nodes there route channels otherwise
   */
  async start(): Promise<void> {
    this.#partitions.start();
    this.#auditor.start();
    this.#tracing.start();
    const wait = Promise.withResolvers<void>();
    const timer = setTimeout(wait.resolve, this.#options.startWindowMs ?? START_WINDOW_MS);
    await Promise.race([this.#partitions.firstCheck, wait.promise]);
    // Who is let in before the others can count it is let in on top of the limits.
    if (this.#partitions.mismatch === null) {
      await Promise.race([this.#membership.start(), wait.promise]);
    }
    clearTimeout(timer);
    const { mismatch } = this.#partitions;
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

  open(name: string, options: NamespaceOptions): RedisStream {
    return this.#streams.open(name, options);
  }

  close(stream: Stream): void {
    this.#streams.close(stream);
  }

  isIdle(stream: Stream, nowMs: number): boolean {
    return this.#streams.isIdle(stream as RedisStream, nowMs);
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
    this.#intake.publish(own, source, start, end, meta, publicationId, ack, requestId, trace);
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
    this.#streams.trim(nowMs);
    this.#partitions.expire();
  }
}
