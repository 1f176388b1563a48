import type { Directory, LocalDirectory } from "../../cluster/directory.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { TraceRuleChange } from "../../tracing/debug-rules.ts";
import type { TraceRequest } from "../../tracing/engine-tracer.ts";
import { Control } from "./control.ts";
import { sweepDirectory } from "./directory-sweep.ts";
import { RedisDirectory } from "./directory.ts";
import type { Keys } from "./keys.ts";
import { Home, messageOf } from "./lease-home.ts";
import type { ShardOf } from "./lease-home.ts";
import { forgetScript } from "./lease-scripts.ts";
import { LeaseSweeper } from "./lease-sweeper.ts";
import { leaseTimings } from "./lease-timings.ts";
import type { LeaseTimings } from "./lease-timings.ts";
import { Lease } from "./lease.ts";
import type { LeaseLoss } from "./lease.ts";
import { Presence } from "./presence.ts";
import { Questions } from "./questions.ts";
import { Recount } from "./recount.ts";
import type { Shard } from "./shard.ts";

/** A node that stops leaves nothing behind if it can do so in this time; else the others clean up. */
const LEAVE_MS = 1000;

export interface MembershipStats {
  /** Times the others took this node for dead, or Redis lost its data. */
  leasesLost: number;
  /** Dead nodes that this one cleaned up after. */
  nodesSwept: number;
  /** Connections that were counted on this node only, because Redis could not be asked. */
  admittedUnchecked: number;
}

export interface MembershipOptions {
  readonly keys: Keys;
  readonly shardOf: ShardOf;
  /** Name of this run of this node. */
  readonly incarnation: string;
  /** How this node routes channels. */
  readonly routing: string;
  /** Other nodes are there that this one must not work beside: why, in words. */
  readonly refused: (reason: string) => void;
  /** Whether this node may work with the data in Redis. */
  readonly isAllowed: () => boolean;
  /** A node asks for this one's part of a trace. */
  readonly traceAsked?: (request: TraceRequest) => void;
  /** A node, which may be this one, tells what to trace. */
  readonly traceRuleChanged?: (change: TraceRuleChange) => void;
  /** Time of the clock that all nodes share, ms; default: this machine's. */
  readonly commonMs?: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: MembershipStats;
  /** How long a node counts that gives no sign of life, ms. */
  readonly leaseMs?: number | undefined;
  /** How long a revocation is in force, ms. */
  readonly revocationTtlMs: number;
}

/**
 * What this node shares with the others besides publications: that it lives, who is present, its connections
 * and channels, and orders that concern all nodes.
 */
export class Membership {
  readonly presence: Presence;
  readonly #options: MembershipOptions;
  readonly #timings: LeaseTimings;
  readonly #home: Home;
  readonly #lease: Lease;
  readonly #sweeper: LeaseSweeper;
  #directory: RedisDirectory | null = null;
  #control: Control | null = null;
  #isStarted = false;
  /** Another node has found, and told everybody, that Redis lost its data. */
  #isTold = false;

  constructor(options: MembershipOptions) {
    const { keys, shardOf, clock, logger, stats } = options;
    const timings = leaseTimings(options.leaseMs);
    const home = new Home(shardOf);
    this.#options = options;
    this.#timings = timings;
    this.#home = home;
    const lease = new Lease({
      ...options,
      home,
      timings,
      host: {
        isAllowed: options.isAllowed,
        renewed: () => this.#renewed(),
        lost: (loss) => this.#lost(loss),
        refused: options.refused,
        foundErased: () => void this.#control?.tellErased(),
      },
    });
    this.#lease = lease;
    this.presence = new Presence({ keys, lease, shardOf, timings, logger });
    const sweeps = [
      (name: string) => this.presence.sweep(name),
      (name: string) => sweepDirectory(home, keys, name),
    ];
    this.#sweeper = new LeaseSweeper({ home, keys, lease, timings, sweeps, clock, logger, stats });
  }

  /** The directory of all nodes. Asked for once, before the start. */
  createDirectory(local: LocalDirectory): Directory {
    const erased = (): void => void this.#wasErased();
    const { commonMs = () => this.#options.clock.wallMs() } = this.#options;
    const shared = { ...this.#options, home: this.#home, local };
    const questions = new Questions({ ...shared, lease: this.#lease, commonMs });
    const control = new Control({ ...shared, questions, erased });
    const directory = new RedisDirectory({
      ...this.#options,
      local,
      control,
      questions,
      home: this.#home,
      lease: this.#lease,
      recount: new Recount({
        ...this.#options,
        home: this.#home,
        lease: this.#lease,
        timings: this.#timings,
      }),
      timings: this.#timings,
    });
    this.#control = control;
    this.#directory = directory;
    return directory;
  }

  /** Asks another node's run for its part of a trace. */
  askTrace(producer: string, request: TraceRequest): void {
    void this.#control?.askTrace(producer, request);
  }

  /** Tells all nodes what to trace. */
  tellTraceRule(change: TraceRuleChange): void {
    void this.#control?.tellTraceRule(change);
  }

  /** Joins the others. Resolves once it has, however long that takes. */
  async start(): Promise<void> {
    this.#isStarted = true;
    this.#sweeper.start();
    this.#directory?.start();
    await Promise.all([this.#lease.start(), this.#control?.orders.sync()]);
  }

  /** A partition is on this shard now. */
  assigned(partition: number, shard: Shard | null): void {
    if (partition !== 0) return;
    this.#control?.assigned(shard);
    if (shard !== null) this.#rejoin();
  }

  /** A server can be reached (again). */
  resubscribed(shard: Shard): void {
    this.presence.flush();
    if (this.#options.shardOf(0) === shard) this.#rejoin();
  }

  #rejoin(): void {
    if (!this.#isStarted) return;
    this.#sweeper.interrupted();
    this.#directory?.interrupted();
    void this.#lease.renew();
    void this.#control?.orders.sync();
  }

  /** Takes a pub/sub message; false when it is not for this. */
  received(channel: string, message: Buffer): boolean {
    return this.#control?.received(channel, message) === true;
  }

  #renewed(): void {
    this.presence.flush();
    void this.#directory?.write();
    const audits = [this.presence, this.#directory, this.#control?.orders];
    void Promise.allSettled(audits.map(async (part) => part?.audit())).then((outcomes) => {
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        const error = messageOf(outcome.reason);
        this.#options.logger.log("debug", "audit_failed", { error });
      }
    });
  }

  /** A node has found that Redis lost its data; this one will find the same now. */
  async #wasErased(): Promise<void> {
    this.#isTold = true;
    await this.#lease.renewAfresh();
    this.#isTold = false;
  }

  #lost(loss: LeaseLoss): void {
    this.#options.stats.leasesLost++;
    if (loss === "erased" && !this.#isTold) void this.#control?.tellErased();
    this.presence.lost(loss);
    this.#directory?.lost();
  }

  /** Leaves the others, and takes along what it has in Redis. */
  async stop(): Promise<void> {
    this.#sweeper.stop();
    // Who listens while nobody has a lease is taken for a node that has lost its own.
    this.#control?.assigned(null);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, LEAVE_MS);
    if (this.#lease.isHeld) await Promise.race([this.#leave(), late.promise]);
    clearTimeout(timer);
    this.#control?.stop();
    void this.#directory?.stop();
    this.presence.stop();
    this.#lease.stop();
  }

  async #leave(): Promise<void> {
    const { keys, logger } = this.#options;
    const { name } = this.#lease;
    try {
      if (!(await this.presence.leaveAll())) return;
      this.#lease.stop();
      await this.#directory?.stop();
      await sweepDirectory(this.#home, keys, name);
      const gone = [keys.home(`gone:${name}`), keys.home(`claim:${name}`)];
      await this.#home.run(
        forgetScript,
        [keys.home("nodes"), keys.home("dead"), ...gone, keys.home(`lease:${name}`)],
        [name, "0"],
      );
    } catch (error) {
      // The lease runs out, and another node deletes what is left.
      logger.log("debug", "node_not_left", { error: messageOf(error) });
    }
  }
}
