import type { Clock, Logger } from "../../ports.ts";
import type { Keys } from "./keys.ts";
import { messageOf, texts } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";
import { claimScript, forgetScript } from "./lease-scripts.ts";
import type { LeaseTimings } from "./lease-timings.ts";
import type { Lease } from "./lease.ts";

/** Dead nodes one node sweeps in one round, and how long the others leave them to it. */
const MAX_CLAIMED = 4;
const CLAIM_MS = 30_000;

/** A node that was asleep for less than this learns that it was swept. */
const REMEMBERED_MS = 24 * 3_600_000;

/** Deletes what the holder of a lease left behind. @throws when something of it could not be deleted */
export type Sweep = (lease: string) => Promise<void>;

export interface LeaseSweeperOptions {
  readonly home: Home;
  readonly keys: Keys;
  readonly lease: Lease;
  readonly timings: LeaseTimings;
  readonly sweeps: readonly Sweep[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: { nodesSwept: number };
}

/**
 * Deletes what dead nodes left: any node does it for any other. A node is dead when it has been seen without
 * a lease for the grace period, without an interruption of our own in it: after Redis was away, nobody has a
 * lease for a moment.
 */
export class LeaseSweeper {
  readonly #options: LeaseSweeperOptions;
  readonly #expiredSinceMs = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;

  constructor(options: LeaseSweeperOptions) {
    this.#options = options;
  }

  start(): void {
    // Nodes that were started together are not to look at the same moments for ever.
    const waitMs = this.#options.timings.sweepMs * (0.75 + Math.random() / 2);
    this.#timer = setTimeout(() => void this.#round(), waitMs);
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Redis was away: who has no lease now may just not have come to renewing it. */
  interrupted(): void {
    this.#expiredSinceMs.clear();
  }

  async #round(): Promise<void> {
    const { lease, logger } = this.#options;
    try {
      if (lease.isHeld) await this.#sweepDue();
    } catch (error) {
      logger.log("debug", "sweep_failed", { error: messageOf(error) });
    }
    if (!this.#isStopped) this.start();
  }

  async #sweepDue(): Promise<void> {
    const { home, keys } = this.#options;
    const overdue = await this.#overdue();
    if (overdue === null) return;
    const claimed = texts(
      await home.run(
        claimScript,
        [keys.home("nodes"), keys.home("dead")],
        [
          keys.home("lease:"),
          keys.home("claim:"),
          keys.home("gone:"),
          String(CLAIM_MS),
          String(MAX_CLAIMED),
          ...overdue,
        ],
      ),
    );
    // Redis knows of them now, whoever sweeps them.
    for (const name of overdue) this.#expiredSinceMs.delete(name);
    for (const name of claimed) {
      if (!this.#isStopped) await this.#sweep(name);
    }
  }

  /** Who has been without a lease for the grace period; null when it cannot be said. */
  async #overdue(): Promise<string[] | null> {
    const { lease, clock, timings } = this.#options;
    const suspects = lease.view.takeSuspects();
    const view = await lease.view.read();
    if (view === null) return null;
    const nowMs = clock.nowMs();
    for (const name of view.standing) this.#expiredSinceMs.delete(name);
    for (const name of [...view.expired, ...suspects]) {
      if (!this.#expiredSinceMs.has(name) && !view.standing.has(name)) {
        this.#expiredSinceMs.set(name, nowMs);
      }
    }
    return [...this.#expiredSinceMs.keys()].filter(
      (name) => nowMs - (this.#expiredSinceMs.get(name) as number) >= timings.graceMs,
    );
  }

  async #sweep(name: string): Promise<void> {
    const { home, keys, sweeps, logger, stats } = this.#options;
    for (const sweep of sweeps) await sweep(name);
    await home.run(
      forgetScript,
      [
        keys.home("nodes"),
        keys.home("dead"),
        keys.home(`gone:${name}`),
        keys.home(`claim:${name}`),
        keys.home(`lease:${name}`),
      ],
      [name, String(REMEMBERED_MS)],
    );
    stats.nodesSwept++;
    logger.log("info", "node_swept", { lease: name });
  }
}
