import type { Shard } from "./shard.ts";

/**
 * This node's interest in one pub/sub channel of a partition: how many want it, and whether its messages come.
 * It moves with its partition.
 */
export class Route {
  readonly pubsub: string;
  /** Messages come from now on, after a time in which some may have been missed. */
  readonly #subscribed: () => void;
  #shard: Shard | null = null;
  #interest = 0;
  #waiting: PromiseWithResolvers<void> | null = null;
  #isSubscribed = false;

  constructor(pubsub: string, subscribed: () => void) {
    this.pubsub = pubsub;
    this.#subscribed = subscribed;
  }

  get isWanted(): boolean {
    return this.#interest > 0;
  }

  /** Moves it to where its partition is now. */
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
    this.#subscribed();
  }

  /** Begins an interest. Undefined when messages come already; else a promise for when they do. */
  add(): Promise<void> | undefined {
    this.#interest++;
    if (this.#isSubscribed && this.#shard?.hasConfirmed(this.pubsub) === true) return undefined;
    this.#waiting ??= Promise.withResolvers<void>();
    const { promise } = this.#waiting;
    this.#subscribe();
    return promise;
  }

  remove(): void {
    this.#interest--;
    if (this.isWanted) return;
    this.#isSubscribed = false;
    this.#waiting = null;
    this.#shard?.unsubscribe(this.pubsub);
  }
}
