import type { BrokerError } from "../../broker/api.ts";
import { publicationsOf } from "../../broker/channels/history.ts";
import { planRecovery } from "../../broker/channels/recovery.ts";
import { Auditor } from "../../broker/engine/redis/auditor.ts";
import { readMessage } from "../../broker/engine/redis/envelope.ts";
import type { Keys } from "../../broker/engine/redis/keys.ts";
import { Outbox } from "../../broker/engine/redis/outbox.ts";
import { sendOrdered } from "../../broker/engine/redis/publisher.ts";
import { RedisStream } from "../../broker/engine/redis/redis-stream.ts";
import { StreamReader } from "../../broker/engine/redis/stream-reader.ts";
import type { StreamListener } from "../../broker/engine/stream.ts";
import { silentLogger } from "../../broker/ports.ts";
import { Code } from "../../protocol/codes.ts";
import type { DeliveryChecker } from "../chaos/delivery-checker.ts";
import { NAMESPACE } from "../contract/engine-harness.ts";
import type { Random } from "../support/random.ts";
import type { SimulatedLink, SimulatedRedis, Weather } from "./simulated-redis.ts";
import type { VirtualTime } from "./virtual-time.ts";

const IDLE_MS = 600_000;

export interface NodeOptions {
  readonly name: string;
  readonly channels: readonly string[];
  readonly historySize: number;
  readonly keys: Keys;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly redis: SimulatedRedis;
  readonly weather: Weather;
  readonly checker: DeliveryChecker;
}

/**
 * The engine's own outbox, stream reader and audit, put together as the engine does, over a simulated link;
 * and clients that follow as the hub lets them.
 */
export class SimulatedNode {
  readonly link: SimulatedLink;
  readonly streams = new Map<string, RedisStream>();
  readonly #options: NodeOptions;
  readonly #outbox: Outbox<RedisStream>;
  readonly #reader: StreamReader;
  readonly #auditor: Auditor;
  readonly #followers = new Map<string, Set<string>>();
  readonly stats = { gapsHealed: 0, resets: 0, duplicatesDropped: 0, batches: 0, gaveUp: 0 };
  #sentCount = 0;

  constructor(options: NodeOptions) {
    const { keys, time, random, redis, weather, name, channels, historySize } = options;
    this.#options = options;
    this.link = redis.link(time, random, weather, {
      received: (message) => readMessage(message, (group) => this.#received(group)),
      resubscribed: () => this.audit(),
    });
    const context = {
      shard: () => this.link,
      keys,
      partition: 0,
      producer: name,
      ring: keys.ring(0, name),
      clock: time,
      commonMs: () => time.wallMs(),
      logger: silentLogger,
      counters: { duplicates: 0 },
      idempotencyWindowMs: 10_000,
    };
    this.#outbox = new Outbox(
      {
        nowMs: () => time.nowMs(),
        schedule: (work) => time.after(0, work),
        after: (ms, work) => time.after(ms, work),
        send: (batch) => sendOrdered(context, batch),
        gaveUp: () => {},
      },
      {
        maxPublications: 1000,
        maxBytes: 1_000_000,
        giveUpMs: 5000,
        retryMs: 50,
        isRetried: true,
        forgetMs: 1_800_000,
      },
    );
    this.#reader = new StreamReader({
      keys,
      shardOf: () => this.link,
      pause: (ms) => time.pause(ms),
      clock: time,
      logger: silentLogger,
      stats: { ...this.stats, leasesLost: 0, nodesSwept: 0, admittedUnchecked: 0 },
    });
    this.#auditor = new Auditor({
      keys,
      streams: () => this.streams.values(),
      shardOf: () => this.link,
      heal: (stream) => this.#reader.heal(stream),
      clock: time,
    });
    for (const [index, channel] of channels.entries()) {
      // Every other channel's messages come by themselves, and are lost by themselves.
      const routing = index % 2 === 0 ? "partition" : "channel";
      const namespace = { ...NAMESPACE, historySize, historyTtlMs: IDLE_MS, routing } as const;
      const stream = new RedisStream(channel, index + 1, keys, namespace, 0, IDLE_MS);
      stream.listener = this.#listener(stream);
      this.streams.set(channel, stream);
      this.#followers.set(channel, new Set());
    }
  }

  #received(group: Parameters<RedisStream["hold"]>[0]): void {
    const stream = this.#stream(group.channel);
    if (stream.phase === "reading") stream.hold(group);
    else if (stream.phase === "live") this.#reader.apply(stream, group);
  }

  #stream(channel: string): RedisStream {
    return this.streams.get(channel) as RedisStream;
  }

  /** What the hub does, with clients that are never slow. */
  #listener(stream: RedisStream): StreamListener {
    const { checker } = this.#options;
    const followers = (): string[] => [...(this.#followers.get(stream.name) ?? [])];
    const take = (): void => {
      const slice = stream.log.takePending();
      if (slice === null) return;
      for (const { offset, payload } of publicationsOf(slice)) {
        const text = new TextDecoder().decode(payload);
        for (const client of followers()) checker.delivered(client, stream.name, offset, text);
      }
    };
    return {
      mustTake: take,
      appended: take,
      epochChanged: () => {
        const at = { epoch: stream.epoch, offset: stream.log.offset };
        for (const client of followers()) checker.continued(client, stream.name, at);
      },
      reset: () => {
        for (const client of followers()) {
          this.leave(client, stream.name);
          this.follow(client, stream.name);
        }
      },
      presenceChanged: () => {},
    };
  }

  /** Takes an interest in every channel, and goes on trying until it has it. */
  async attach(): Promise<void> {
    for (const stream of this.streams.values()) {
      stream.interest++;
      stream.phase = "reading";
      for (;;) {
        try {
          await this.#reader.begin(stream);
          break;
        } catch {
          await this.#options.time.pause(100);
        }
      }
    }
  }

  /** Forgets everything it knows of the channels, as when nobody is interested. */
  detach(): void {
    for (const stream of this.streams.values()) {
      stream.phase = "detached";
      stream.release();
      stream.log = stream.logFrom(0);
    }
  }

  get isAttached(): boolean {
    return [...this.streams.values()].every(({ phase }) => phase !== "detached");
  }

  get isLive(): boolean {
    return [...this.streams.values()].every(({ phase }) => phase === "live");
  }

  get isIdle(): boolean {
    return this.#outbox.size === 0;
  }

  audit(): void {
    this.#auditor.audit(() => true);
    this.#outbox.expire();
  }

  /** Subscribes a client here, from where it was if it was anywhere. */
  follow(client: string, channel: string): void {
    const { checker, time } = this.#options;
    const stream = this.#stream(channel);
    const { log, epoch, parent } = stream;
    const state = { epoch, parent, offset: log.offset, firstOffset: log.firstOffset(time.nowMs()) };
    const position = checker.hasBegun(client, channel) ? checker.position(client, channel) : null;
    const plan = planRecovery(
      position === null ? { type: "none" } : { type: "position", position },
      state,
    );
    const at = { epoch, offset: log.offset - plan.count };
    if (plan.recovered) checker.continued(client, channel, at);
    else checker.began(client, channel, at);
    for (const { offset, payload } of log.read(plan.fromOffset, plan.count).flatMap(publicationsOf))
      checker.delivered(client, channel, offset, new TextDecoder().decode(payload));
    this.#followers.get(channel)?.add(client);
  }

  leave(client: string, channel: string): void {
    this.#followers.get(channel)?.delete(client);
  }

  publish(channel: string): void {
    const { checker, name } = this.#options;
    const text = `${name}:${this.#sentCount++}`;
    const bytes = new TextEncoder().encode(text);
    const ack = {
      published: (_id: number, offset: number, epoch: string) =>
        checker.acknowledged(channel, { epoch, offset }, text),
      publishFailed: (_id: number, error: BrokerError) =>
        error.info === Code.publishUnknown ? checker.unknown() : checker.refused(channel, text),
    };
    const stream = this.#stream(channel);
    const refusal = this.#outbox.add(stream, bytes, 0, bytes.length, null, null, ack, 1);
    if (refusal !== null) checker.refused(channel, text);
  }
}
