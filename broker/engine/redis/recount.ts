import type { Keys } from "./keys.ts";
import type { Home } from "./lease-home.ts";
import { countedScript } from "./lease-scripts.ts";
import type { LeaseTimings } from "./lease-timings.ts";
import type { Lease } from "./lease.ts";

/** How often a node looks whether all have counted, as long as somebody waits for it, however many do. */
const POLL_MS = 25;

export interface RecountOptions {
  readonly home: Home;
  readonly keys: Keys;
  readonly lease: Lease;
  /** Name of this run of this node. */
  readonly incarnation: string;
  readonly timings: LeaseTimings;
}

/**
 * The time after Redis lost its data, in which nodes write their counts of connections again. Who is uncounted
 * is noted in Redis by the first node that finds the loss; each takes itself off when it has counted.
 */
export class Recount {
  readonly #options: RecountOptions;
  /** Grows with each loss. */
  #losses = 1;
  /** The loss that this node has made up for, as others know. */
  #counted = 0;
  #waiting: Promise<void> | null = null;
  #isStopped = false;

  constructor(options: RecountOptions) {
    this.#options = options;
  }

  get key(): string {
    return this.#options.keys.home("uncounted");
  }

  get isSettled(): boolean {
    return this.#counted === this.#losses;
  }

  /** What this node had written is gone. */
  lost(): void {
    this.#losses++;
  }

  /** All counts of this node have been written. Rejects when Redis did not take that. */
  async confirm(): Promise<void> {
    if (this.isSettled) return;
    const { home, keys, lease, incarnation } = this.#options;
    const losses = this.#losses;
    await home.run(countedScript, [keys.home("nodes"), this.key], [lease.name, incarnation]);
    this.#counted = losses;
  }

  /** Resolves when all have counted, or have had the time for it. Rejects when Redis cannot be asked. */
  untilOver(): Promise<void> {
    this.#waiting ??= this.#poll().finally(() => {
      this.#waiting = null;
    });
    return this.#waiting;
  }

  async #poll(): Promise<void> {
    const { home, timings } = this.#options;
    const endMs = performance.now() + timings.recountMs;
    while (!this.#isStopped && performance.now() < endMs) {
      if ((await home.call("EXISTS", this.key)) === 0) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  stop(): void {
    this.#isStopped = true;
  }
}
