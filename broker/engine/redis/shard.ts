import { Command } from "ioredis";
import type { Redis } from "ioredis";

import type { Clock, Logger } from "../../ports.ts";
import {
  closeConnection,
  describeAddress,
  failureOf,
  isMoved,
  isNoScript,
  isReadOnly,
  openConnection,
} from "./connection.ts";
import type { ShardAddress } from "./connection.ts";
import type { Script } from "./scripts.ts";

/** A subscriber connection whose canary has not come back for this long is dead. */
const CANARY_INTERVAL_MS = 1000;
const CANARY_TIMEOUT_MS = 3000;

/** Between the word that a slot has moved and asking for all subscriptions again. */
const MOVED_PAUSE_MS = 50;

export interface ShardHost {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A message on a channel this node subscribed to. */
  message(channel: string, message: Buffer): void;
  /** The server does not have a slot any more that we took it to have. */
  moved(): void;
  /** All wanted subscriptions are confirmed, after a time in which messages may have been missed. */
  resubscribed(shard: Shard): void;
  /** The subscriptions are not confirmed any more. */
  lostSubscriptions(shard: Shard): void;
}

/**
 * One Redis server with the three connections we own: `publish` for batches, `subscribe` for what other
 * nodes (and this one) published, `bulk` for reads. A slow read never delays a batch, and a subscriber
 * connection is judged by its canary: a message that this node sends itself every second.
 */
export class Shard {
  readonly index: number;
  readonly url: string;
  readonly description: string;
  /** With Redis Cluster, sharded pub/sub: messages stay on the server that has the slot. */
  readonly isCluster: boolean;
  readonly #host: ShardHost;
  readonly #canaryChannel: string;
  readonly #publish: Redis;
  readonly #subscribe: Redis;
  readonly #bulk: Redis;
  readonly #wanted = new Set<string>();
  readonly #confirmed = new Set<string>();
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  #canaryTimer: ReturnType<typeof setInterval> | null = null;
  #movedTimer: ReturnType<typeof setTimeout> | null = null;
  #lastCanaryMs = 0;
  #isStopped = false;
  #wasReported = false;

  constructor(
    index: number,
    address: ShardAddress,
    isCluster: boolean,
    canaryChannel: string,
    host: ShardHost,
  ) {
    this.index = index;
    this.url = address.type === "url" ? address.url : "";
    this.isCluster = isCluster;
    this.description = describeAddress(address);
    this.#host = host;
    this.#canaryChannel = canaryChannel;
    const report = (error: Error): void => this.#report(error);
    this.#publish = openConnection(address, "publish", report);
    // RESP3 with Cluster: under RESP2, the end of the last sharded subscription is taken for the end of all.
    this.#subscribe = openConnection(address, "subscribe", report, isCluster ? 3 : 2);
    this.#bulk = openConnection(address, "bulk", report);
    this.#subscribe.on("ready", () => void this.#resubscribe());
    this.#subscribe.on("close", () => this.#lost());
    for (const event of ["messageBuffer", "smessageBuffer"]) {
      this.#subscribe.on(event, (channel: Buffer, message: Buffer) =>
        this.#received(channel.toString("latin1"), message),
      );
    }
    this.#subscribe.on("moved", () => this.#moved());
    this.#canaryTimer = setInterval(() => this.#canary(), CANARY_INTERVAL_MS);
  }

  /** Whether batches can be handed over. */
  get canPublish(): boolean {
    return this.#publish.status === "ready";
  }

  /** Whether history and positions can be read. */
  get canRead(): boolean {
    return this.#bulk.status === "ready";
  }

  /** Whether everything that is published reaches this node, as far as it knows. */
  get isSubscribed(): boolean {
    return this.#confirmed.size === this.#wanted.size + 1;
  }

  /** One line for the operator per outage, however often the connections fail meanwhile. */
  #report(error: Error): void {
    if (this.#wasReported || this.#isStopped) return;
    this.#wasReported = true;
    this.#host.logger.log("warn", "redis_unreachable", {
      shard: this.index,
      address: this.description,
      error: error.message,
    });
  }

  /** Runs a script on the connection for batches. */
  runPublish(
    script: Script,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
  ): Promise<unknown> {
    return this.#run(this.#publish, script, keys, args);
  }

  /**
   * Waits until a replica has everything written on the connection for batches, a short time at most.
   * Returns how many have.
   */
  async waitForReplicas(atLeast: number, withinMs: number): Promise<number> {
    const pending = this.#publish.wait(atLeast, withinMs);
    return this.#guard(this.#publish, pending);
  }

  /** Runs a script on the connection for reads. */
  runBulk(
    script: Script,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
  ): Promise<unknown> {
    return this.#run(this.#bulk, script, keys, args);
  }

  /** Runs a command on the connection for reads; strings come as Buffers. */
  call(command: string, ...args: (string | Buffer)[]): Promise<unknown> {
    return this.#guard(this.#bulk, this.#bulk.callBuffer(command, ...args));
  }

  /** Several commands in one write. */
  pipeline(commands: readonly (readonly string[])[]): Promise<[Error | null, unknown][] | null> {
    // ioredis finds commands by their lower-case names here, and throws for others.
    const named = commands.map(([name = "", ...args]) => [name.toLowerCase(), ...args]);
    return this.#guard(this.#bulk, this.#bulk.pipeline(named).exec());
  }

  /** The command that reaches the subscribers of a partition. */
  get publishCommand(): "PUBLISH" | "SPUBLISH" {
    return this.isCluster ? "SPUBLISH" : "PUBLISH";
  }

  publishPlain(channel: string, message: Buffer): Promise<unknown> {
    const pending = this.isCluster
      ? this.#publish.spublish(channel, message)
      : this.#publish.publish(channel, message);
    return this.#guard(this.#publish, pending);
  }

  async #run(
    redis: Redis,
    { sha, source }: Script,
    keys: readonly string[],
    args: readonly (string | Buffer)[],
  ): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    const send = (name: string, first: string): Promise<unknown> =>
      this.#guard(redis, redis.sendCommand(untraced(name, [first, ...rest])) as Promise<unknown>);
    try {
      return await send("EVALSHA", sha);
    } catch (error) {
      // Nothing was executed: the server has been restarted, promoted or told to forget its scripts.
      if (!isNoScript(error)) throw error;
      return await send("EVAL", source);
    }
  }

  /** A connection that leaves a command unanswered, or leads to a replica, is not kept. */
  async #guard<Result>(redis: Redis, pending: Promise<Result>): Promise<Result> {
    try {
      return await pending;
    } catch (error) {
      const isTimeout = error instanceof Error && error.message === "Command timed out";
      if ((isTimeout || isReadOnly(error)) && !this.#isStopped) redis.disconnect(true);
      if (isMoved(error)) this.#host.moved();
      throw error;
    }
  }

  /** Undefined when the subscription stands; else a promise for when it does. */
  subscribe(channel: string): Promise<void> | undefined {
    this.#wanted.add(channel);
    if (this.#confirmed.has(channel)) return undefined;
    let waiting = this.#waiting.get(channel);
    if (waiting === undefined) {
      waiting = Promise.withResolvers<void>();
      this.#waiting.set(channel, waiting);
      if (this.#subscribe.status === "ready") void this.#confirm([channel]);
    }
    return waiting.promise;
  }

  unsubscribe(channel: string): void {
    this.#wanted.delete(channel);
    this.#waiting.delete(channel);
    if (!this.#confirmed.delete(channel) || this.#subscribe.status !== "ready") return;
    const ended = this.isCluster
      ? this.#subscribe.sunsubscribe(channel)
      : this.#subscribe.unsubscribe(channel);
    ended.catch((error: Error) => this.#report(error));
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
      if (this.#subscribe.status === "ready") void this.#resubscribe();
    }, MOVED_PAUSE_MS);
  }

  async #confirm(channels: readonly string[]): Promise<boolean> {
    if (channels.length === 0) return true;
    const done: string[] = [];
    try {
      if (this.isCluster) await this.#subscribeSharded(channels, done);
      else {
        await this.#subscribe.subscribe(...channels);
        done.push(...channels);
      }
    } catch (error) {
      this.#report(error as Error);
      if (!this.#isStopped) this.#subscribe.disconnect(true);
      return false;
    }
    for (const channel of done) {
      if (channel !== this.#canaryChannel && !this.#wanted.has(channel)) continue;
      this.#confirmed.add(channel);
      this.#waiting.get(channel)?.resolve();
      this.#waiting.delete(channel);
    }
    return true;
  }

  /** One by one: each partition is a slot of its own, and one that has moved must not take the others along. */
  async #subscribeSharded(channels: readonly string[], done: string[]): Promise<void> {
    const attempts = channels.map(async (channel) => {
      try {
        if (channel === this.#canaryChannel) await this.#subscribe.subscribe(channel);
        else await this.#subscribe.ssubscribe(channel);
        done.push(channel);
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
    if (this.#wasReported) {
      this.#host.logger.log("info", "redis_reachable", {
        shard: this.index,
        address: this.description,
      });
    }
    this.#wasReported = false;
    this.#host.resubscribed(this);
  }

  #lost(): void {
    const hadAny = this.#confirmed.size > 0;
    this.#confirmed.clear();
    if (hadAny && !this.#isStopped) this.#host.lostSubscriptions(this);
  }

  #received(channel: string, message: Buffer): void {
    if (channel === this.#canaryChannel) this.#lastCanaryMs = this.#host.clock.nowMs();
    else this.#host.message(channel, message);
  }

  #canary(): void {
    if (this.#subscribe.status !== "ready" || !this.#confirmed.has(this.#canaryChannel)) return;
    const silentMs = this.#host.clock.nowMs() - this.#lastCanaryMs;
    if (silentMs > CANARY_TIMEOUT_MS) {
      this.#host.logger.log("warn", "redis_subscriber_dead", { shard: this.index, silentMs });
      this.#subscribe.disconnect(true);
      return;
    }
    this.call("PUBLISH", this.#canaryChannel, "1").catch((error: Error) => this.#report(error));
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#canaryTimer !== null) clearInterval(this.#canaryTimer);
    if (this.#movedTimer !== null) clearTimeout(this.#movedTimer);
    for (const redis of [this.#publish, this.#subscribe, this.#bulk]) closeConnection(redis);
  }
}

/**
 * A command whose strings come back as Buffers, and that ioredis does not describe for tracing: it would turn
 * all publications into text for each, because Bun's tracing channels do not say that nobody listens.
 */
function untraced(name: string, args: (string | Buffer)[]): Command {
  const command = new Command(name, args, { replyEncoding: null });
  command.isTraced = true;
  return command;
}
