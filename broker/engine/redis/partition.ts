import type { Outbox } from "./outbox.ts";
import type { RedisStream } from "./redis-stream.ts";
import type { Shard } from "./shard.ts";

export interface PartitionHost {
  /** The partition's messages come from now on, after a time in which some may have been missed. */
  subscribed(partition: Partition): void;
}

/**
 * A fixed slice of the channel space on this node: where it lives now, who is interested in it, and what is
 * on its way to it. With Redis Cluster its shard changes; everything else goes on.
 */
export class Partition {
  readonly index: number;
  readonly pubsub: string;
  readonly ordered: Outbox<RedisStream>;
  readonly plain: Outbox<RedisStream>;
  readonly #host: PartitionHost;
  #shard: Shard | null = null;
  #interest = 0;
  #waiting: PromiseWithResolvers<void> | null = null;
  #isSubscribed = false;

  constructor(
    index: number,
    pubsub: string,
    outboxes: { ordered: Outbox<RedisStream>; plain: Outbox<RedisStream> },
    host: PartitionHost,
  ) {
    this.index = index;
    this.pubsub = pubsub;
    this.ordered = outboxes.ordered;
    this.plain = outboxes.plain;
    this.#host = host;
  }

  /** Null while it is not known which server has it. */
  get shard(): Shard | null {
    return this.#shard;
  }

  get isWanted(): boolean {
    return this.#interest > 0;
  }

  /** Moves the partition to where it is now. */
  assign(shard: Shard | null): void {
    if (shard === this.#shard) return;
    this.#shard?.unsubscribe(this.pubsub);
    this.#shard = shard;
    this.#isSubscribed = false;
    if (this.isWanted) this.#subscribe();
  }

  #subscribe(): void {
    const shard = this.#shard;
    if (shard === null) return;
    const pending = shard.subscribe(this.pubsub);
    if (pending === undefined) {
      this.#confirmed(shard);
      return;
    }
    // Never rejected: the shard goes on trying, and lets go of it when it is unsubscribed.
    void pending.then(() => this.#confirmed(shard));
  }

  #confirmed(shard: Shard): void {
    if (shard !== this.#shard || !this.isWanted) return;
    this.#isSubscribed = true;
    this.#waiting?.resolve();
    this.#waiting = null;
    this.#host.subscribed(this);
  }

  /** Begins an interest. Undefined when messages come already; else a promise for when they do. */
  addInterest(): Promise<void> | undefined {
    this.#interest++;
    if (this.#isSubscribed && this.#shard?.hasConfirmed(this.pubsub) === true) return undefined;
    this.#waiting ??= Promise.withResolvers<void>();
    const { promise } = this.#waiting;
    this.#subscribe();
    return promise;
  }

  removeInterest(): void {
    this.#interest--;
    if (this.isWanted) return;
    this.#isSubscribed = false;
    this.#waiting = null;
    this.#shard?.unsubscribe(this.pubsub);
  }

  stop(): void {
    this.ordered.stop();
    this.plain.stop();
  }
}
