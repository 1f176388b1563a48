import type { ChannelSummary, ConnectionSummary } from "../../api.ts";
import type {
  ChannelQuery,
  ConnectionQuery,
  Directory,
  DisconnectTarget,
  LocalDirectory,
  RevokeTarget,
} from "../../directory.ts";
import type { Logger } from "../../ports.ts";
import type { NodeAnswers, Question } from "../../questions.ts";
import type { Session } from "../../session.ts";
import type { Control } from "./control.ts";
import { Admission } from "./directory-admission.ts";
import type { Place } from "./directory-admission.ts";
import { DirectoryList } from "./directory-list.ts";
import type { ListEntry } from "./directory-list.ts";
import { listKeys, Pages } from "./directory-pages.ts";
import { sweepUsersScript } from "./directory-scripts.ts";
import type { Keys } from "./keys.ts";
import { failureKind, messageOf, texts } from "./lease-home.ts";
import type { Home, ShardOf } from "./lease-home.ts";
import type { LeaseTimings } from "./lease-timings.ts";
import type { Lease } from "./lease.ts";
import type { Questions } from "./questions.ts";
import { Turns } from "./turn.ts";

/** A scan of everything may take this part of the event loop's time. */
const MAX_SCAN_SHARE = 0.02;

/** Users whose counts are taken from a dead node in one call. */
const SWEEP_BATCH = 500;

const UINT32_BOUND = 2 ** 32;

export interface RedisDirectoryOptions {
  readonly local: LocalDirectory;
  readonly control: Control;
  readonly questions: Questions;
  readonly home: Home;
  readonly keys: Keys;
  readonly lease: Lease;
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
  readonly #pages: Pages;
  readonly #turns: Turns;
  #writing: Promise<boolean> | null = null;
  #isWriteDue = false;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #report: ReturnType<typeof setTimeout> | null = null;
  #wasReported = false;
  #isStopped = false;

  constructor(options: RedisDirectoryOptions) {
    const { home, keys, lease, logger, stats } = options;
    this.#options = options;
    this.#pages = new Pages(options);
    this.#turns = new Turns(options);
    this.#connections = new DirectoryList({
      home,
      keys: () => listKeys(keys, "connections", lease.name),
      exists: (id) => this.#admission.places().has(id),
      read: (id) => this.#connectionEntry(this.#admission.places().get(id)),
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
      list: this.#connections,
      listKeys: () => listKeys(keys, "connections", lease.name),
      entryOf: (place) => this.#connectionEntry(place) as ListEntry,
      logger,
      stats,
    });
  }

  start(): void {
    this.#reportIn(this.#options.timings.reportMs);
  }

  #connectionEntry(place: Place | undefined): ListEntry | null {
    if (place === undefined) return null;
    const { session, user } = place;
    const text = JSON.stringify(this.#options.local.summary(session, user));
    return { fingerprint: fingerprintOf(session), alias: Admission.alias(place), text };
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
    const { logger, timings } = this.#options;
    try {
      // The connections first: who sweeps a dead node finds the users there whose counts are to go.
      while (!this.isSettled && !this.#isStopped) {
        await this.#connections.write();
        await this.#admission.write();
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
    return this.#connections.isSettled && this.#channels.isSettled && this.#admission.isSettled;
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

  async connections(query: ConnectionQuery): Promise<readonly ConnectionSummary[]> {
    const { local } = this.#options;
    const pages = await this.#ofOthers((lease) => this.#pages.connections(lease, query));
    const all = new Map<string, ConnectionSummary>();
    for (const page of [...pages, local.connections(query)]) {
      for (const summary of page) all.set(summary.connection, summary);
    }
    return [...all.values()]
      .toSorted((a, b) => (a.connection < b.connection ? -1 : 1))
      .slice(0, query.limit);
  }

  async channels(query: ChannelQuery): Promise<readonly ChannelSummary[]> {
    const { local } = this.#options;
    const counts = new Map<string, number>();
    const pages = await this.#ofOthers((lease) => this.#pages.channels(lease, query));
    const own = new Map(local.channels(query).map((summary) => [summary.name, summary]));
    // A node's first `limit` matches hold all it has among the first `limit` of all nodes.
    for (const page of [...pages, [...own.values()].map(nameAndCount)]) {
      for (const [name, count] of page) counts.set(name, (counts.get(name) ?? 0) + count);
    }
    const names = [...counts.keys()].toSorted().slice(0, query.limit);
    const positions = await this.#pages.positions(names);
    return names.map((name) => {
      const { epoch, offset } = positions.get(name) ?? own.get(name) ?? { epoch: "", offset: 0 };
      return { name, subscribers: counts.get(name) ?? 0, epoch, offset };
    });
  }

  /** What other nodes have; nothing of those whose lists cannot be read, which is logged. */
  async #ofOthers<Page>(read: (lease: string) => Promise<Page>): Promise<Page[]> {
    const { lease, logger } = this.#options;
    const others = await lease.others();
    const readings = await Promise.allSettled(others.map((name) => read(name)));
    const failed = readings.find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") {
      logger.log("warn", "directory_incomplete", { error: messageOf(failed.reason) });
    }
    return readings.flatMap((reading) => (reading.status === "fulfilled" ? [reading.value] : []));
  }

  disconnect(target: DisconnectTarget): Promise<number> {
    return this.#options.control.disconnect(target);
  }

  revoke(target: RevokeTarget): Promise<number> {
    return this.#options.control.revoke(target);
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
    for (const timer of [this.#retry, this.#report]) if (timer !== null) clearTimeout(timer);
    await this.#writing;
  }
}

/** Deletes what the holder of a lease had listed. Any node can, also one without a directory. */
export async function sweepDirectory(home: Home, keys: Keys, lease: string): Promise<void> {
  const [index, values] = listKeys(keys, "connections", lease);
  for (;;) {
    const reply = await home.call("ZRANGEBYLEX", index, "[a", "(b", "LIMIT", "0", `${SWEEP_BATCH}`);
    const aliases = texts(reply);
    if (aliases.length === 0) break;
    const hashes = new Set(aliases.map((alias) => alias.slice(1, alias.indexOf("."))));
    const users = [...hashes].map((hash) => keys.home(`u:${hash}`));
    await home.run(sweepUsersScript, [index, ...users], [lease, ...aliases]);
  }
  await home.call("UNLINK", index, values, ...listKeys(keys, "channels", lease));
}

/** What of a connection changes: its subscriptions and its queue. */
function fingerprintOf({ subscriptions, outbound }: Session): number {
  return subscriptions.size * UINT32_BOUND + Math.min(outbound.queuedBytes, UINT32_BOUND - 1);
}

function* fingerprints(places: ReadonlyMap<string, Place>): Generator<readonly [string, number]> {
  for (const [id, { session }] of places) yield [id, fingerprintOf(session)];
}

function channelEntry(subscribers: number | null): ListEntry | null {
  if (subscribers === null) return null;
  return { fingerprint: subscribers, alias: "", text: String(subscribers) };
}

function* subscriberCounts(local: LocalDirectory): Generator<readonly [string, number]> {
  for (const name of local.channelNames()) yield [name, local.subscriberCount(name) ?? 0];
}

function nameAndCount({ name, subscribers }: ChannelSummary): readonly [string, number] {
  return [name, subscribers];
}
