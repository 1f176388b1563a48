import type { Clock, Logger } from "../../ports.ts";
import type { Keys } from "./keys.ts";
import { failureKind, messageOf, texts } from "./lease-home.ts";
import type { Home } from "./lease-home.ts";
import { renewScript } from "./lease-scripts.ts";
import type { LeaseTimings } from "./lease-timings.ts";
import { LeaseView, nodeOf, runOf } from "./lease-view.ts";
import { describeDifference } from "./routing-table.ts";

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
  /** What other nodes kept is gone, as this one found when it took its first lease. */
  foundErased(): void;
  /** Nodes are there that route channels otherwise than this one, which therefore takes no lease: in what, in words. */
  refused(reason: string): void;
}

export interface LeaseOptions {
  readonly home: Home;
  readonly keys: Keys;
  /** Name of this run of this node. */
  readonly incarnation: string;
  /** How this node routes channels: see `routingText`. */
  readonly routing: string;
  readonly timings: LeaseTimings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly host: LeaseHost;
}

/**
 * The node's sign of life. What a node keeps in Redis for others to see counts as long as it renews its
 * lease; who crashed is thereby gone for readers before anybody has deleted anything. A node that was taken
 * for dead takes a new lease, under another name, so that what is deleted of the old one is not the new.
 */
export class Lease {
  readonly view: LeaseView;
  readonly #options: LeaseOptions;
  #generation = 1;
  #isHeld = false;
  /** It has had a lease: from then on, who routes otherwise is not let in. */
  #hasJoined = false;
  readonly #taken = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;
  #renewal: Promise<boolean> | null = null;
  #wasReported = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.view = new LeaseView(options);
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
    return this.view.isOwn(name);
  }

  /** Takes the lease and keeps it. Resolves when it has been taken for the first time, or refused. */
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

  /** The same, by a renewal that begins now: one on its way may have been before what is asked about. */
  async renewAfresh(): Promise<boolean> {
    await this.#renewal;
    return this.renew();
  }

  async #renewOnce(): Promise<boolean> {
    const { timings, logger, host } = this.#options;
    if (this.#timer !== null) clearTimeout(this.#timer);
    let isRenewed = false;
    try {
      isRenewed = await this.#take();
      this.#wasReported = false;
      this.#taken.resolve();
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
    if (isRenewed) host.renewed();
    return isRenewed;
  }

  /** False when nodes are there that it must not join. */
  async #take(): Promise<boolean> {
    const { logger, host } = this.#options;
    for (;;) {
      const { name } = this;
      const reply = await this.#send(name);
      if (this.#isStopped) return false;
      if (Array.isArray(reply)) {
        host.refused(this.#refusal(texts(reply)));
        return false;
      }
      const isCondemned = reply === 2;
      if (isCondemned) this.#generation++;
      else if (reply === 1 || !this.#isHeld) {
        this.#isHeld = true;
        this.#hasJoined = true;
        if (reply === 3) host.foundErased();
        return true;
      }
      const loss = isCondemned ? "swept" : "erased";
      logger.log("warn", "lease_lost", { lease: name, loss });
      this.#isHeld = !isCondemned;
      host.lost(loss);
      if (!isCondemned) return true;
    }
  }

  #send(name: string): Promise<unknown> {
    const { home, keys, timings, incarnation, routing } = this.#options;
    const [lease, gone] = [keys.home(`lease:${name}`), keys.home(`gone:${name}`)];
    return home.run(
      renewScript,
      [lease, keys.home("nodes"), keys.home("dead"), gone, keys.home("uncounted")],
      [
        name,
        String(timings.leaseMs),
        incarnation,
        this.#isHeld ? "1" : "0",
        String(timings.recountMs),
        home.shard.isCluster ? "shardchannels" : "channels",
        keys.nodeControl(),
        routing,
        this.#hasJoined ? "" : keys.home("lease:"),
        ...this.view.peers,
      ],
    );
  }

  #refusal([lease = "", routing = ""]: readonly string[]): string {
    const { timings } = this.#options;
    return (
      `${describeDifference(this.#options.routing, routing)}, on node "${nodeOf(runOf(lease))}": it must be the ` +
      `same on all nodes that share a redisPrefix. To change it, stop all of them first; one that crashed is ` +
      `gone after ${timings.leaseMs / 1000} s`
    );
  }
}
