import type { Clock, Logger } from "../../ports.ts";
import type { Keys } from "./keys.ts";
import { failureKind, messageOf, texts } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";
import { renewScript, viewScript } from "./lease-scripts.ts";
import type { LeaseTimings } from "./lease-timings.ts";

/**
 * How what this node keeps in Redis was lost:
 * - swept: the node was taken for dead, its entries were deleted one by one, and others heard of it
 * - erased: Redis lost its data
 */
export type LeaseLoss = "swept" | "erased";

export interface LeaseHost {
  /** Whether this node may work with the data in Redis. */
  isAllowed(): boolean;
  /** The lease stands. Called after each renewal. */
  renewed(): void;
  /** What the node kept in Redis is gone, and is to be written anew under the lease of now. */
  lost(loss: LeaseLoss): void;
}

export interface LeaseOptions {
  readonly home: Home;
  readonly keys: Keys;
  /** Name of this run of this node. */
  readonly incarnation: string;
  readonly timings: LeaseTimings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly host: LeaseHost;
}

/** Who was there at one moment. */
interface View {
  readonly standing: ReadonlySet<string>;
  readonly expired: ReadonlySet<string>;
  readonly readAtMs: number;
}

/** The run of a node that a lease is of. */
export function runOf(lease: string): string {
  return lease.slice(0, lease.lastIndexOf("."));
}

/** The name of the node that a run is of. */
export function nodeOf(run: string): string {
  return run.slice(0, run.lastIndexOf("."));
}

/**
 * The node's sign of life. What a node keeps in Redis for others to see counts as long as it renews its
 * lease; who crashed is thereby gone for readers before anybody has deleted anything. A node that was taken
 * for dead takes a new lease, under another name, so that what is deleted of the old one is not the new.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #generation = 1;
  #isHeld = false;
  readonly #taken = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;
  #renewal: Promise<boolean> | null = null;
  #reading: Promise<View | null> | null = null;
  #view: View | null = null;
  #wasReported = false;
  readonly #suspects = new Set<string>();

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Name of the lease; part of keys and values. */
  get name(): string {
    return `${this.#options.incarnation}.${this.#generation}`;
  }

  /** Whether the lease of this name was taken: nothing may be written under it before. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Whether a lease is or was this process's. */
  isOwn(name: string): boolean {
    return name.startsWith(`${this.#options.incarnation}.`);
  }

  /** Takes the lease and keeps it. Resolves when it has been taken for the first time. */
  start(): Promise<void> {
    void this.renew();
    return this.#taken.promise;
  }

  stop(): void {
    this.#isStopped = true;
    this.#isHeld = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Renews it now; false when it cannot be said whether it stands. Never rejects. */
  renew(): Promise<boolean> {
    if (this.#isStopped || !this.#options.host.isAllowed()) return Promise.resolve(false);
    this.#renewal ??= this.#renewOnce().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #renewOnce(): Promise<boolean> {
    const { timings, logger, host } = this.#options;
    if (this.#timer !== null) clearTimeout(this.#timer);
    let isRenewed = false;
    try {
      await this.#take();
      isRenewed = true;
      this.#wasReported = false;
    } catch (error) {
      // A server that cannot be reached is reported as such, once.
      const isNews = !this.#wasReported && failureKind(error) !== "unsent";
      if (isNews && !this.#isStopped) {
        logger.log("warn", "lease_not_renewed", { lease: this.name, error: messageOf(error) });
      }
      this.#wasReported ||= isNews;
    }
    if (this.#isStopped) return false;
    const nextMs = isRenewed ? timings.renewMs : timings.retryMs;
    this.#timer = setTimeout(() => void this.renew(), nextMs);
    if (isRenewed) {
      this.#taken.resolve();
      host.renewed();
    }
    return isRenewed;
  }

  async #take(): Promise<void> {
    const { home, keys, timings, logger, host } = this.#options;
    for (;;) {
      const { name } = this;
      const reply = await home.run(
        renewScript,
        [
          keys.home(`lease:${name}`),
          keys.home("nodes"),
          keys.home("dead"),
          keys.home(`gone:${name}`),
        ],
        [name, String(timings.leaseMs)],
      );
      if (this.#isStopped) return;
      const isCondemned = reply === 2;
      if (isCondemned) this.#generation++;
      else if (reply === 1 || !this.#isHeld) {
        this.#isHeld = true;
        return;
      }
      const loss = isCondemned ? "swept" : "erased";
      logger.log("warn", "lease_lost", { lease: name, loss });
      this.#isHeld = !isCondemned;
      host.lost(loss);
      if (!isCondemned) return;
    }
  }

  /** Who is there, not older than the timings allow; when it cannot be read, as last read, or null. */
  view(): Promise<View | null> {
    const { clock, timings } = this.#options;
    const view = this.#view;
    if (view !== null && clock.nowMs() - view.readAtMs < timings.viewMs) {
      return Promise.resolve(view);
    }
    return this.read().then((fresh) => fresh ?? this.#view);
  }

  /** Who is there now; null when it cannot be read. Never rejects. */
  read(): Promise<View | null> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<View | null> {
    const { home, keys, clock, logger } = this.#options;
    const readAtMs = clock.nowMs();
    try {
      const reply = await home.run(viewScript, [keys.home("nodes")], [keys.home("lease:")]);
      const [standing, expired] = (reply as [Buffer[], Buffer[]]).map((list) => texts(list));
      this.#view = { standing: new Set(standing), expired: new Set(expired), readAtMs };
      return this.#view;
    } catch (error) {
      logger.log("debug", "leases_not_read", { error: messageOf(error) });
      return null;
    }
  }

  /** Names of the other nodes' leases that stand, as far as is known. */
  async others(): Promise<string[]> {
    const view = await this.view();
    return view === null ? [] : [...view.standing].filter((name) => !this.isOwn(name));
  }

  /**
   * Tells whose entries count. A name not heard of before may be a node that has just started, so it is
   * looked for again. While that cannot be read, everybody counts who was not seen without a lease.
   */
  async judge(names: ReadonlySet<string>): Promise<(name: string) => boolean> {
    const beganMs = this.#options.clock.nowMs();
    let view = await this.view();
    if (view === null) return () => true;
    const known = view;
    const isUnknown = (name: string): boolean =>
      !known.standing.has(name) && !known.expired.has(name);
    if (view.readAtMs < beganMs && [...names].some(isUnknown)) {
      // A reading under way may have been before the entry was written.
      await this.#reading;
      view = await this.read();
      if (view === null) return (name) => !known.expired.has(name);
    }
    const { standing, expired } = view;
    for (const name of names) {
      if (!standing.has(name) && !expired.has(name)) this.#suspects.add(name);
    }
    return (name) => standing.has(name);
  }

  /** Names found on entries that no node goes by; the sweeper looks after them. */
  takeSuspects(): string[] {
    const suspects = [...this.#suspects];
    this.#suspects.clear();
    return suspects;
  }
}
