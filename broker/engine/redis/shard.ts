import { Command } from "ioredis";
import type { Redis } from "ioredis";

import type { Clock, Logger } from "../../ports.ts";
import {
  closeConnection,
  describeAddress,
  isMoved,
  isNoScript,
  isReadOnly,
  openConnection,
  replaceConnection,
} from "./connection.ts";
import type { ShardAddress } from "./connection.ts";
import type { Script } from "./scripts.ts";
import { Subscriber } from "./subscriber.ts";

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
 * nodes (and this one) published, `bulk` for reads. A slow read never delays a batch.
 */
export class Shard {
  readonly index: number;
  readonly url: string;
  readonly description: string;
  /** With Redis Cluster, sharded pub/sub: messages stay on the server that has the slot. */
  readonly isCluster: boolean;
  readonly #host: ShardHost;
  readonly #publish: Redis;
  readonly #subscriber: Subscriber;
  readonly #bulk: Redis;
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
    const report = (error: Error): void => this.#report(error);
    this.#publish = openConnection(address, "publish", report);
    this.#bulk = openConnection(address, "bulk", report);
    this.#subscriber = new Subscriber(address, isCluster, canaryChannel, {
      clock: host.clock,
      message: (channel, message) => host.message(channel, message),
      moved: () => host.moved(),
      resubscribed: () => this.#resubscribed(),
      lost: () => host.lostSubscriptions(this),
      dead: (silentMs) => {
        host.logger.log("warn", "redis_subscriber_dead", { shard: index, silentMs });
      },
      failed: report,
      sendCanary: () => this.call("PUBLISH", canaryChannel, "1"),
    });
  }

  /** Whether batches can be handed over. */
  get canPublish(): boolean {
    return this.#publish.status === "ready";
  }

  /** Whether history and positions can be read. */
  get canRead(): boolean {
    return this.#bulk.status === "ready";
  }

  /** Whether every subscription that was asked for stands. */
  get isSubscribed(): boolean {
    return this.#subscriber.isSubscribed;
  }

  /** The same, but for those that are being asked for just now, for the first time: they are not missed yet. */
  get isFollowing(): boolean {
    return this.#subscriber.isFollowing;
  }

  /** Whether messages come, as far as the canary can tell; unlike `isSubscribed` also while more is asked for. */
  get isReceiving(): boolean {
    return this.#subscriber.isReceiving;
  }

  /** Undefined when the subscription stands; else a promise for when it does. */
  subscribe(channel: string): Promise<void> | undefined {
    return this.#subscriber.subscribe(channel);
  }

  unsubscribe(channel: string): void {
    this.#subscriber.unsubscribe(channel);
  }

  hasConfirmed(channel: string): boolean {
    return this.#subscriber.hasConfirmed(channel);
  }

  #resubscribed(): void {
    if (this.#wasReported) {
      this.#host.logger.log("info", "redis_reachable", {
        shard: this.index,
        address: this.description,
      });
    }
    this.#wasReported = false;
    this.#host.resubscribed(this);
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
    if (sha === null) return send("EVAL", source);
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
      if ((isTimeout || isReadOnly(error)) && !this.#isStopped) replaceConnection(redis);
      if (isMoved(error)) this.#host.moved();
      throw error;
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#subscriber.stop();
    for (const redis of [this.#publish, this.#bulk]) closeConnection(redis);
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
