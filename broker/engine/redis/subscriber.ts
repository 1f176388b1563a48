import type { Redis } from "ioredis";

import type { Clock } from "../../ports.ts";
import { closeConnection, failureOf, openConnection, replaceConnection } from "./connection.ts";
import type { ShardAddress } from "./connection.ts";

/** A subscriber connection whose canary has not come back for this long is dead: two are missing, and the third. */
const CANARY_INTERVAL_MS = 1000;
const CANARY_TIMEOUT_MS = 2500;

/** Channels in one SUBSCRIBE. */
const MAX_SUBSCRIBE_CHANNELS = 1000;

/** A first subscription that takes longer than this is missing. */
const SUBSCRIBE_MS = 1000;

/** Between the word that a slot has moved and asking for all subscriptions again. */
const MOVED_PAUSE_MS = 50;

/** A subscription that was asked for and does not stand yet; it never has. */
interface Asked extends PromiseWithResolvers<void> {
  readonly askedMs: number;
}

export interface SubscriberHost {
  readonly clock: Clock;
  /** A message on a channel that was subscribed to. */
  message(channel: string, message: Buffer): void;
  /** The server does not have a slot any more that we took it to have. */
  moved(): void;
  /** All wanted subscriptions stand, after a time in which messages may have been missed. */
  resubscribed(): void;
  /** The subscriptions do not stand any more. */
  lost(): void;
  /** The connection carries nothing, and is replaced. */
  dead(silentMs: number): void;
  failed(error: Error): void;
  /** Publishes on the canary's channel, over another connection. */
  sendCanary(): Promise<unknown>;
}

/**
 * The connection to one server that messages come on. It is judged by its canary: a message that this node sends
 * itself every second.
 */
export class Subscriber {
  readonly #isCluster: boolean;
  readonly #canaryChannel: string;
  readonly #host: SubscriberHost;
  readonly #redis: Redis;
  readonly #wanted = new Set<string>();
  readonly #confirmed = new Set<string>();
  readonly #waiting = new Map<string, Asked>();
  readonly #canaryTimer: ReturnType<typeof setInterval>;
  #movedTimer: ReturnType<typeof setTimeout> | null = null;
  #lastCanaryMs = 0;
  #isStopped = false;

  constructor(
    address: ShardAddress,
    isCluster: boolean,
    canaryChannel: string,
    host: SubscriberHost,
  ) {
    this.#isCluster = isCluster;
    this.#canaryChannel = canaryChannel;
    this.#host = host;
    // RESP3 with Cluster: under RESP2, the end of the last sharded subscription is taken for the end of all.
    this.#redis = openConnection(
      address,
      "subscribe",
      (error) => host.failed(error),
      isCluster ? 3 : 2,
    );
    this.#redis.on("ready", () => void this.#resubscribe());
    this.#redis.on("close", () => this.#lost());
    for (const event of ["messageBuffer", "smessageBuffer"]) {
      this.#redis.on(event, (channel: Buffer, message: Buffer) =>
        this.#received(channel.toString("latin1"), message),
      );
    }
    this.#redis.on("moved", () => this.#moved());
    this.#canaryTimer = setInterval(() => this.#canary(), CANARY_INTERVAL_MS);
  }

  /** Whether every subscription that was asked for stands. */
  get isSubscribed(): boolean {
    return this.#confirmed.size === this.#wanted.size + 1;
  }

  /**
   * Whether everything that is published reaches this node, as far as it knows; one that is being asked for just
   * now, for the first time, is not missed yet.
   */
  get isFollowing(): boolean {
    if (this.isSubscribed) return true;
    const sinceMs = this.#host.clock.nowMs() - SUBSCRIBE_MS;
    let missing = this.#wanted.size + 1 - this.#confirmed.size;
    for (const { askedMs } of this.#waiting.values()) if (askedMs > sinceMs) missing--;
    return missing === 0;
  }

  /** Whether messages come, as far as the canary can tell; unlike `isSubscribed` also while more is asked for. */
  get isReceiving(): boolean {
    return this.#confirmed.has(this.#canaryChannel);
  }

  /** Undefined when the subscription stands; else a promise for when it does. */
  subscribe(channel: string): Promise<void> | undefined {
    this.#wanted.add(channel);
    if (this.#confirmed.has(channel)) return undefined;
    let waiting = this.#waiting.get(channel);
    if (waiting === undefined) {
      waiting = { ...Promise.withResolvers<void>(), askedMs: this.#host.clock.nowMs() };
      this.#waiting.set(channel, waiting);
      if (this.#redis.status === "ready") void this.#confirm([channel]);
    }
    return waiting.promise;
  }

  unsubscribe(channel: string): void {
    this.#wanted.delete(channel);
    this.#waiting.delete(channel);
    if (this.#confirmed.delete(channel)) this.#end(channel);
  }

  #end(channel: string): void {
    if (this.#redis.status !== "ready") return;
    const ended = this.#isCluster
      ? this.#redis.sunsubscribe(channel)
      : this.#redis.unsubscribe(channel);
    ended.catch((error: Error) => this.#host.failed(error));
  }

  hasConfirmed(channel: string): boolean {
    return this.#confirmed.has(channel);
  }

  /** The server ended sharded subscriptions by itself: which ones is not said, so all are asked for again. */
  #moved(): void {
    this.#confirmed.clear();
    this.#host.moved();
    // Asking for a channel whose slot is elsewhere says so once more, for each channel: not at once.
    this.#movedTimer ??= setTimeout(() => {
      this.#movedTimer = null;
      if (this.#redis.status === "ready") void this.#resubscribe();
    }, MOVED_PAUSE_MS);
  }

  async #confirm(channels: readonly string[]): Promise<boolean> {
    if (channels.length === 0) return true;
    const done: string[] = [];
    try {
      if (this.#isCluster) await this.#subscribeSharded(channels, done);
      else {
        await Promise.all(chunksOf(channels).map((some) => this.#redis.subscribe(...some)));
        done.push(...channels);
      }
    } catch (error) {
      this.#host.failed(error as Error);
      if (!this.#isStopped) replaceConnection(this.#redis);
      return false;
    }
    for (const channel of done) {
      if (channel !== this.#canaryChannel && !this.#wanted.has(channel)) {
        // Given up while it was asked for.
        this.#end(channel);
        continue;
      }
      this.#confirmed.add(channel);
      this.#waiting.get(channel)?.resolve();
      this.#waiting.delete(channel);
    }
    return true;
  }

  /**
   * Each slot by itself: a command takes channels of one slot only, and one slot that has moved must not take the
   * others along.
   */
  async #subscribeSharded(channels: readonly string[], done: string[]): Promise<void> {
    const bySlot = Map.groupBy(channels, slotPartOf).values();
    const attempts = [...bySlot].flatMap(chunksOf).map(async (some) => {
      try {
        if (some[0] === this.#canaryChannel) await this.#redis.subscribe(...some);
        else await this.#redis.ssubscribe(...some);
        done.push(...some);
      } catch (error) {
        if (failureOf(error) === "unknown") throw error;
        this.#host.moved();
      }
    });
    await Promise.all(attempts);
  }

  async #resubscribe(): Promise<void> {
    this.#lastCanaryMs = this.#host.clock.nowMs();
    if (!(await this.#confirm([this.#canaryChannel, ...this.#wanted]))) return;
    this.#host.resubscribed();
  }

  #lost(): void {
    const hadAny = this.#confirmed.size > 0;
    this.#confirmed.clear();
    if (hadAny && !this.#isStopped) this.#host.lost();
  }

  #received(channel: string, message: Buffer): void {
    if (channel === this.#canaryChannel) this.#lastCanaryMs = this.#host.clock.nowMs();
    else this.#host.message(channel, message);
  }

  #canary(): void {
    if (this.#redis.status !== "ready" || !this.#confirmed.has(this.#canaryChannel)) return;
    const silentMs = this.#host.clock.nowMs() - this.#lastCanaryMs;
    if (silentMs > CANARY_TIMEOUT_MS) {
      this.#host.dead(silentMs);
      replaceConnection(this.#redis);
      return;
    }
    this.#host.sendCanary().catch((error: Error) => {
      // The connection for reads may come up after this one; if it does not, it reports that itself.
      if (failureOf(error) !== "unsent") this.#host.failed(error);
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#canaryTimer);
    if (this.#movedTimer !== null) clearTimeout(this.#movedTimer);
    closeConnection(this.#redis);
  }
}

/** What decides the slot of a pub/sub channel: all of it, or what it begins with, up to the end of its tag. */
function slotPartOf(channel: string): string {
  const end = channel.indexOf("}");
  return end === -1 ? channel : channel.slice(0, end);
}

function chunksOf(channels: readonly string[]): string[][] {
  const chunks: string[][] = [];
  for (let i = 0; i < channels.length; i += MAX_SUBSCRIBE_CHANNELS) {
    chunks.push(channels.slice(i, i + MAX_SUBSCRIBE_CHANNELS));
  }
  return chunks;
}
