import type { ChannelSummary, ConnectionSummary } from "../../api.ts";
import type {
  ChannelQuery,
  ConnectionQuery,
  Directory,
  DisconnectTarget,
  LocalDirectory,
  RevokeTarget,
} from "../../cluster/directory.ts";
import type { NodeAnswers, Question } from "../../cluster/questions.ts";
import type { Logger } from "../../ports.ts";
import type { Session } from "../../sessions/session.ts";
import type { Control } from "./control.ts";
import { Admission } from "./directory-admission.ts";
import {
  channelEntry,
  connectionEntry,
  fingerprints,
  subscriberCounts,
} from "./directory-entries.ts";
import { DirectoryList } from "./directory-list.ts";
import type { ListEntry } from "./directory-list.ts";
import { listKeys } from "./directory-pages.ts";
import { DirectoryQuery } from "./directory-query.ts";
import type { Keys } from "./keys.ts";
import { failureKind, messageOf } from "./lease-home.ts";
import type { Home, ShardOf } from "./lease-home.ts";
import type { LeaseTimings } from "./lease-timings.ts";
import type { Lease } from "./lease.ts";
import type { Questions } from "./questions.ts";
import type { Recount } from "./recount.ts";
import { Turns } from "./turn.ts";

/** A scan of everything may take this part of the event loop's time. */
const MAX_SCAN_SHARE = 0.02;

export interface RedisDirectoryOptions {
  readonly local: LocalDirectory;
  readonly control: Control;
  readonly questions: Questions;
  readonly home: Home;
  readonly keys: Keys;
  readonly lease: Lease;
  readonly recount: Recount;
  readonly shardOf: ShardOf;
  readonly timings: LeaseTimings;
  readonly logger: Logger;
  readonly stats: { admittedUnchecked: number };
}

/**
 * The connections and channels of all nodes. Each node keeps a list of its own in Redis, under its lease:
 * connections as they come and go, what changes all the time (their subscriptions and queues, channels and
 * their subscribers) once a second or so. Readers merge the lists of the nodes that have a lease with what
 * they know of themselves; no node is asked anything.
 */
export class RedisDirectory implements Directory {
  readonly isShared = true;
  readonly #options: RedisDirectoryOptions;
  readonly #connections: DirectoryList;
  readonly #channels: DirectoryList;
  readonly #admission: Admission;
  readonly #query: DirectoryQuery;
  readonly #turns: Turns;
  #writing: Promise<boolean> | null = null;
  #isWriteDue = false;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #report: ReturnType<typeof setTimeout> | null = null;
  #wasReported = false;
  #isStopped = false;

  constructor(options: RedisDirectoryOptions) {
    const { home, keys, lease, recount, logger, stats } = options;
    this.#options = options;
    this.#query = new DirectoryQuery(options);
    this.#turns = new Turns(options);
    this.#connections = new DirectoryList({
      home,
      keys: () => listKeys(keys, "connections", lease.name),
      exists: (id) => this.#admission.places().has(id),
      read: (id) => connectionEntry(options.local, this.#admission.places().get(id)),
    });
    this.#channels = new DirectoryList({
      home,
      keys: () => listKeys(keys, "channels", lease.name),
      exists: (name) => options.local.hasChannel(name),
      read: (name) => channelEntry(options.local.subscriberCount(name)),
    });
    this.#admission = new Admission({
      home,
      keys,
      lease,
      recount,
      list: this.#connections,
      listKeys: () => listKeys(keys, "connections", lease.name),
      entryOf: (place) => connectionEntry(options.local, place) as ListEntry,
      logger,
      stats,
    });
  }

  start(): void {
    this.#reportIn(this.#options.timings.reportMs);
  }

  admit(session: Session, user: string | null, limit: number): boolean | Promise<boolean> {
    const answer = this.#admission.admit(session, user, limit);
    this.#writeSoon();
    return answer;
  }

  left(session: Session): void {
    this.#admission.left(session);
    this.#writeSoon();
  }

  #writeSoon(): void {
    if (this.#isWriteDue || this.#isStopped) return;
    this.#isWriteDue = true;
    setImmediate(() => {
      this.#isWriteDue = false;
      void this.write();
    });
  }

  /** Brings Redis up to date; false when that could not be done. Never rejects. */
  write(): Promise<boolean> {
    if (!this.#options.lease.isHeld || this.#isStopped) return Promise.resolve(false);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #write(): Promise<boolean> {
    const { recount, logger, timings } = this.#options;
    try {
      // The connections first: who sweeps a dead node finds the users there whose counts are to go.
      while (!this.isSettled && !this.#isStopped) {
        await this.#connections.write();
        await this.#admission.write();
        await recount.confirm();
        await this.#channels.write();
      }
      this.#wasReported = false;
      return true;
    } catch (error) {
      // A server that cannot be reached is reported as such, once.
      const isNews = !this.#wasReported && failureKind(error) !== "unsent";
      if (isNews && !this.#isStopped) {
        logger.log("warn", "directory_not_written", { error: messageOf(error) });
      }
      this.#wasReported ||= isNews;
      if (this.#retry === null && !this.#isStopped) {
        this.#retry = setTimeout(() => {
          this.#retry = null;
          void this.write();
        }, timings.retryMs);
      }
      return false;
    }
  }

  get isSettled(): boolean {
    const parts = [this.#connections, this.#channels, this.#admission, this.#options.recount];
    return parts.every(({ isSettled }) => isSettled);
  }

  #reportIn(ms: number): void {
    if (!this.#isStopped) this.#report = setTimeout(() => void this.#scan(), ms);
  }

  /** Finds what has changed without telling, and writes it. */
  async #scan(): Promise<void> {
    const { local, timings } = this.#options;
    let busyMs = await this.#connections.scan(fingerprints(this.#admission.places()));
    busyMs += await this.#channels.scan(subscriberCounts(local));
    await this.write();
    this.#reportIn(Math.max(timings.reportMs, busyMs / MAX_SCAN_SHARE));
  }

  /** The connection to Redis was interrupted. */
  interrupted(): void {
    this.#admission.recount();
    this.#writeSoon();
  }

  /** What this node had written is gone. */
  lost(): void {
    this.#options.recount.lost();
    this.#admission.forget();
    this.#channels.forget(this.#options.local.channelNames());
  }

  /** Compares the length of the lists with Redis's: a server may have come back without its last writes. */
  async audit(): Promise<void> {
    const { home, keys, lease, logger } = this.#options;
    if (!this.isSettled) return;
    const lists = [
      [this.#connections, "connections"],
      [this.#channels, "channels"],
    ] as const;
    for (const [list, name] of lists) {
      const listed = listKeys(keys, name, lease.name);
      const expected = list.storedCount;
      const count = await home.call("HLEN", listed[1]);
      if (count === expected || !list.isSettled || expected !== list.storedCount) continue;
      logger.log("warn", "directory_repaired", { list: name });
      await home.call("DEL", ...listed);
      this.lost();
      void this.write();
      return;
    }
  }

  connections(query: ConnectionQuery): Promise<readonly ConnectionSummary[]> {
    return this.#query.connections(query);
  }

  channels(query: ChannelQuery): Promise<readonly ChannelSummary[]> {
    return this.#query.channels(query);
  }

  disconnect(target: DisconnectTarget): Promise<number> {
    return this.#options.control.orders.disconnect(target);
  }

  revoke(target: RevokeTarget): Promise<number> {
    return this.#options.control.orders.revoke(target);
  }

  ask(question: Question): Promise<NodeAnswers> {
    return this.#options.questions.ask(question);
  }

  inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    return this.#turns.take(name, work);
  }

  /** Resolves when nothing of it is on its way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.recount.stop();
    for (const timer of [this.#retry, this.#report]) if (timer !== null) clearTimeout(timer);
    await this.#writing;
  }
}
