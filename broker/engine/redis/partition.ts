import type { Outbox } from "./outbox.ts";
import type { RedisStream } from "./redis-stream.ts";
import { Route } from "./route.ts";
import type { Shard } from "./shard.ts";

export interface PartitionHost {
  /**
   * Messages come from now on, after a time in which some may have been missed: the partition's, or those of one
   * channel that has a pub/sub channel of its own.
   */
  subscribed(partition: Partition, ownPubsub: string | null): void;
}

/**
 * A fixed slice of the channel space on this node: where it lives now, who is interested in it, and what is
 * on its way to it. With Redis Cluster its shard changes; everything else goes on.
 */
export class Partition {
  readonly index: number;
  readonly ordered: Outbox<RedisStream>;
  readonly plain: Outbox<RedisStream>;
  readonly #host: PartitionHost;
  /** What its channels share. */
  readonly #shared: Route;
  /** Those of channels that have one of their own, while somebody wants them. */
  readonly #own = new Map<string, Route>();
  #shard: Shard | null = null;

  constructor(
    index: number,
    pubsub: string,
    outboxes: { ordered: Outbox<RedisStream>; plain: Outbox<RedisStream> },
    host: PartitionHost,
  ) {
    this.index = index;
    this.ordered = outboxes.ordered;
    this.plain = outboxes.plain;
    this.#host = host;
    this.#shared = new Route(pubsub, () => host.subscribed(this, null));
  }

  /** Null while it is not known which server has it. */
  get shard(): Shard | null {
    return this.#shard;
  }

  /** Moves the partition to where it is now. */
  assign(shard: Shard | null): void {
    this.#shard = shard;
    this.#shared.assign(shard);
    for (const route of this.#own.values()) route.assign(shard);
  }

  /**
   * Begins an interest in all channels of the partition that share its pub/sub channel. Undefined when messages
   * come already; else a promise for when they do.
   */
  addInterest(): Promise<void> | undefined {
    return this.#shared.add();
  }

  removeInterest(): void {
    this.#shared.remove();
  }

  /** The same for one channel, whichever way its messages come. */
  addInterestIn({ ownPubsub }: RedisStream): Promise<void> | undefined {
    if (ownPubsub === null) return this.#shared.add();
    let route = this.#own.get(ownPubsub);
    if (route === undefined) {
      route = new Route(ownPubsub, () => this.#host.subscribed(this, ownPubsub));
      route.assign(this.#shard);
      this.#own.set(ownPubsub, route);
    }
    return route.add();
  }

  removeInterestIn({ ownPubsub }: RedisStream): void {
    if (ownPubsub === null) {
      this.#shared.remove();
      return;
    }
    const route = this.#own.get(ownPubsub);
    route?.remove();
    if (route?.isWanted === false) this.#own.delete(ownPubsub);
  }

  stop(): void {
    this.ordered.stop();
    this.plain.stop();
  }
}
