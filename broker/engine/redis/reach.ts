import type { ShardHealth } from "../../api.ts";
import type { Shard } from "./shard.ts";

/** A connection that is cut is mostly back before anybody could make use of the news, ms. */
const SHORT_MS = 250;

/** What comes back together is told together, ms. */
const TOGETHER_MS = 10;

export interface ReachOptions {
  readonly partitionCount: number;
  /** Where a partition is now; null while nobody has it. */
  readonly shardAt: (partition: number) => Shard | null;
}

/**
 * Which partitions' messages reach this node. What is known here changes when it is looked at, so that an
 * interruption of no consequence is none.
 */
export class Reach {
  readonly #options: ReachOptions;
  readonly #unreached = new Set<number>();
  #onChanged: () => void = () => {};
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the timer fires (performance.now()). */
  #dueMs = 0;

  constructor(options: ReachOptions) {
    this.#options = options;
  }

  /** Sets who hears that the answers are others now. */
  onChanged(changed: () => void): void {
    this.#onChanged = changed;
  }

  /** Null asks for all partitions. */
  isReached(partition: number | null): boolean {
    return partition === null ? this.#unreached.size === 0 : !this.#unreached.has(partition);
  }

  /** A server's messages do not come any more. */
  lost(): void {
    this.#lookIn(SHORT_MS);
  }

  /** A server's messages come again, or a partition is somewhere else. */
  regained(): void {
    if (this.#unreached.size > 0) this.#lookIn(TOGETHER_MS);
  }

  #lookIn(ms: number): void {
    const dueMs = performance.now() + ms;
    if (this.#timer !== null) {
      if (this.#dueMs <= dueMs) return;
      clearTimeout(this.#timer);
    }
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => this.#look(), ms);
  }

  #look(): void {
    this.#timer = null;
    const { partitionCount, shardAt } = this.#options;
    let hasChanged = false;
    let isSettled = true;
    for (let partition = 0; partition < partitionCount; partition++) {
      const isUnreached = shardAt(partition)?.isReceiving !== true;
      if (isUnreached) isSettled = false;
      if (isUnreached === this.#unreached.has(partition)) continue;
      hasChanged = true;
      if (isUnreached) this.#unreached.add(partition);
      else this.#unreached.delete(partition);
    }
    // A partition that moves from a lost server to another is regained without a word from either.
    if (!isSettled) this.#lookIn(SHORT_MS);
    if (hasChanged) this.#onChanged();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

/** How a server is, for people and probes. */
export function shardHealth(shard: Shard): ShardHealth {
  const works = [shard.canPublish, shard.canRead, shard.isReceiving];
  const state = works.every(Boolean) ? "ok" : works.some(Boolean) ? "degraded" : "down";
  return { address: shard.description, state };
}
