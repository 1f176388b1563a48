import type { HistoryItem, HistoryResult } from "../../../protocol/messages/history.ts";
import { publicationsOf } from "../../history.ts";
import type { Clock, Logger } from "../../ports.ts";
import { planRecovery } from "../../recovery.ts";
import type { BatchArrival } from "../../tracing/flight-recorder.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import type { HistoryQuery } from "../engine.ts";
import { randomEpoch } from "../epoch.ts";
import type { PublicationLog } from "../publication-log.ts";
import { readRun } from "./envelope.ts";
import type { Group } from "./envelope.ts";
import type { Keys } from "./keys.ts";
import { asBrokerError, messageOf } from "./lease-home.ts";
import type { RedisEngineStats } from "./redis-engine-options.ts";
import type { RedisStream } from "./redis-stream.ts";
import { readScript } from "./scripts.ts";
import type { Shard } from "./shard.ts";

/** Entries read in one call. Each is a batch's publications of one channel, so one to 256. */
const ENTRIES_PER_READ = 256;

/** A failed reading is tried again after this. */
const RETRY_MS = 100;
const FOREIGN_RETRY_MS = 1000;

/** What Redis has and this node has not may be on its way for this long. */
const ARRIVAL_MS = 100;

export interface StreamReaderOptions {
  readonly keys: Keys;
  /** @throws BrokerError unavailable while nobody has the partition */
  readonly shardOf: (stream: RedisStream) => Pick<Shard, "runBulk">;
  /** Resolves after a while. */
  readonly pause: (ms: number) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: RedisEngineStats;
}

/** One history entry: the publications that one batch had for the channel. */
interface Entry {
  readonly firstOffset: number;
  readonly count: number;
  readonly timeMs: number;
  readonly run: Uint8Array;
}

interface Reading {
  readonly epoch: string;
  readonly offset: number;
  readonly parent: RedisStream["parent"];
  readonly entries: readonly Entry[];
}

/**
 * Brings streams up to date from Redis: at the beginning, and when a gap shows that pub/sub lost
 * something. One read by the node heals it for all its clients, and they notice nothing.
 */
export class StreamReader {
  readonly #options: StreamReaderOptions;

  constructor(options: StreamReaderOptions) {
    this.#options = options;
  }

  /** Fills a newly attached stream's log with the history, so that recoveries need no Redis. */
  async begin(stream: RedisStream): Promise<void> {
    if (stream.isRecoverable) {
      const reading = await this.#read(stream, null);
      if (stream.phase !== "reading") return;
      this.#beginWith(stream, reading);
    }
    await this.#goLive(stream);
  }

  /**
   * What came by pub/sub while history was read is live, also where history has it already: sessions
   * subscribed by pattern wait for it.
   */
  #beginWith(stream: RedisStream, reading: Reading): void {
    const liveFrom = stream.held
      .filter(({ epoch }) => epoch === reading.epoch)
      .reduce((first, { firstOffset }) => Math.min(first, firstOffset), Infinity);
    const kept = reading.entries.filter(({ firstOffset }) => firstOffset < liveFrom);
    const offset = Math.min(reading.offset, liveFrom - 1);
    this.#replace(stream, { ...reading, offset, entries: kept });
    for (const entry of reading.entries.slice(kept.length)) this.#append(stream.log, entry, stream);
  }

  #replace(stream: RedisStream, reading: Reading): void {
    const first = reading.entries[0];
    stream.epoch = reading.epoch;
    stream.parent = reading.parent;
    stream.log = stream.logFrom(first === undefined ? reading.offset : first.firstOffset - 1);
    for (const entry of reading.entries) this.#append(stream.log, entry, null);
    // Nothing is pending for fan-out: these publications are history.
    stream.log.takePending();
  }

  /** Appends what arrived, or finds that something before it is missing. */
  apply(stream: RedisStream, group: Group): void {
    if (!stream.isRecoverable) {
      this.#append(stream.log, group, stream);
      return;
    }
    const next = stream.log.offset + 1;
    if (group.epoch !== stream.epoch || group.firstOffset > next) {
      stream.hold(group);
      void this.heal(stream);
    } else if (group.firstOffset + group.count <= next) {
      this.#options.stats.duplicatesDropped += group.count;
    } else this.#append(stream.log, { ...group, firstOffset: group.firstOffset }, stream);
  }

  /** Appends a publication that was made on this node, before Redis has it. */
  applyLocal(
    { log, listener }: RedisStream,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    trace: PublishTrace | null = null,
  ): void {
    appendOne(log, listener, source, start, end, meta, this.#options.clock.nowMs());
    if (trace === null) return;
    const payloadBytes = end - start;
    listener?.tracedAppended?.({ offset: log.offset, payloadBytes, own: trace, meta });
  }

  /** Appends an entry's publications that the log does not have yet. */
  #append(log: PublicationLog, entry: Entry | Group, live: RedisStream | null): void {
    const { clock } = this.#options;
    const nowMs = clock.nowMs() - Math.max(0, clock.wallMs() - entry.timeMs);
    const listener = live?.listener ?? null;
    const arrival = live === null || listener === null ? null : arrivalOf(entry);
    let offset = entry.firstOffset;
    readRun(entry.run, (start, end, meta, isTraced) => {
      const isKnown = entry.firstOffset > 0 && offset++ <= log.offset;
      if (isKnown) return;
      appendOne(log, listener, entry.run, start, end, meta, nowMs);
      if (live === null || arrival === null) return;
      live.arrival ??= arrival;
      if (!isTraced) return;
      const payloadBytes = end - start;
      listener?.tracedAppended?.({ offset: log.offset, payloadBytes, own: null, meta });
    });
  }

  /** Reads what is missing, until the stream is whole again or nobody needs it. */
  async heal(stream: RedisStream): Promise<void> {
    if (stream.phase !== "live" || !stream.isRecoverable) return;
    const { interest } = stream;
    // Nothing shows a gap but the position: under load, what is published last is always on its way.
    if (stream.held.length === 0 && !(await this.#standsStill(stream, interest))) return;
    // It may have been given up meanwhile, and taken anew: then somebody else reads.
    const isWanted = (): boolean => stream.phase === "reading" && stream.interest === interest;
    stream.phase = "reading";
    const { logger, pause } = this.#options;
    let wasReported = false;
    let isHealed = false;
    while (!isHealed && isWanted()) {
      try {
        const heldBefore = stream.held.length;
        const since = stream.log.offset;
        const reading = await this.#read(stream, since);
        if (isWanted()) {
          // Older than the read: of another epoch, it is of one that has ended, and would never fit.
          stream.dropHeld(heldBefore, reading.epoch);
          const isSame = reading.epoch === stream.epoch && reading.offset >= since;
          if (isSame) this.#applyNext(stream);
          if (!isSame || reading.offset > stream.log.offset) this.#catchUp(stream, reading);
        }
        isHealed = true;
      } catch (error) {
        // What somebody else put there stays until somebody takes it away.
        const isForeign = messageOf(error).startsWith("FOREIGN ");
        if (!isForeign) logger.log("debug", "redis_heal_failed", { error: String(error) });
        else if (!wasReported) {
          logger.log("error", "redis_foreign_value", { error: asBrokerError(error).message });
        }
        wasReported ||= isForeign;
        await pause(isForeign ? FOREIGN_RETRY_MS : RETRY_MS);
      }
    }
    if (isWanted()) await this.#goLive(stream);
  }

  /** False when more has arrived meanwhile: if something is missing before the next, that will show it. */
  async #standsStill(stream: RedisStream, interest: number): Promise<boolean> {
    const { offset } = stream.log;
    await this.#options.pause(ARRIVAL_MS);
    return stream.phase === "live" && stream.interest === interest && stream.log.offset === offset;
  }

  /** Appends what is held and goes on where the log ends: it was on its way, however far Redis is by now. */
  #applyNext(stream: RedisStream): void {
    for (const group of stream.release()) {
      const isNext = group.epoch === stream.epoch && group.firstOffset <= stream.log.offset + 1;
      if (isNext) this.#append(stream.log, group, stream);
      else stream.hold(group);
    }
  }

  async #goLive(stream: RedisStream): Promise<void> {
    stream.phase = "live";
    const mustRead = stream.hasOverflowed && stream.isRecoverable;
    stream.hasOverflowed = false;
    if (mustRead) await this.heal(stream);
    else this.#applyHeld(stream);
  }

  #applyHeld(stream: RedisStream): void {
    for (const group of stream.release()) {
      if (stream.phase === "live") this.apply(stream, group);
      else stream.hold(group);
    }
  }

  #catchUp(stream: RedisStream, reading: Reading): void {
    const { stats, logger } = this.#options;
    const { log } = stream;
    const isSame = reading.epoch === stream.epoch;
    const isChild =
      reading.parent !== null &&
      reading.parent.epoch === stream.epoch &&
      log.offset <= reading.parent.forkOffset;
    const first = reading.entries[0];
    const isWhole =
      reading.offset === log.offset || (first !== undefined && first.firstOffset <= log.offset + 1);
    if ((!isSame && !isChild) || reading.offset < log.offset || !isWhole) {
      logger.log("warn", "stream_reset", {
        channel: stream.name,
        had: `${stream.epoch}:${log.offset}`,
        now: `${reading.epoch}:${reading.offset}`,
      });
      stats.resets++;
      stream.listener?.mustTake();
      this.#replace(stream, reading);
      stream.listener?.reset();
      return;
    }
    if (isChild) {
      stream.listener?.mustTake();
      stream.epoch = reading.epoch;
      stream.parent = reading.parent;
      stream.listener?.epochChanged();
    }
    if (reading.entries.length > 0) stats.gapsHealed++;
    for (const entry of reading.entries) this.#append(log, entry, stream);
  }

  /** Reads history after an offset (null: all that is kept) in as many calls as it takes. */
  async #read(stream: RedisStream, after: number | null): Promise<Reading> {
    const { keys, shardOf } = this.#options;
    const shard = shardOf(stream);
    const { partition, hash, options } = stream;
    const names = [keys.history(partition, hash), keys.meta(partition, hash)];
    const ttlMs = String(stream.metaTtlMs);
    let entries: Entry[] = [];
    let since = after ?? 0;
    let firstEpoch: string | null = null;
    for (;;) {
      const reply = await shard.runBulk(readScript, names, [
        randomEpoch(),
        ttlMs,
        String(since),
        String(ENTRIES_PER_READ),
      ]);
      const [epoch, top, parent, fork, raw] = reply as [Buffer, number, Buffer, number, RawEntry[]];
      const epochName = epoch.toString("latin1");
      firstEpoch ??= epochName;
      if (firstEpoch !== epochName) {
        // A failover between two reads: what the first one gave may not have survived it.
        entries = [];
        since = after ?? 0;
        firstEpoch = null;
        continue;
      }
      for (const item of raw) entries.push(toEntry(item));
      const last = entries.at(-1);
      if (last === undefined || raw.length < ENTRIES_PER_READ) {
        const parentEpoch = parent.toString("latin1");
        return {
          epoch: epochName,
          offset: top,
          parent: parentEpoch === "" ? null : { epoch: parentEpoch, forkOffset: fork },
          entries: withoutHoles(
            entries.filter(
              (entry) => entry.firstOffset + entry.count - 1 > top - options.historySize,
            ),
          ),
        };
      }
      since = last.firstOffset + last.count - 1;
    }
  }

  /** History of a stream this node does not follow. */
  async readDetached(stream: RedisStream, query: HistoryQuery): Promise<HistoryResult> {
    const reading = await this.#read(stream, query.since?.offset ?? null);
    const { clock } = this.#options;
    const first = reading.entries[0];
    const log = stream.logFrom(first === undefined ? reading.offset : first.firstOffset - 1);
    for (const entry of reading.entries) this.#append(log, entry, null);
    const state = {
      epoch: reading.epoch,
      parent: reading.parent,
      offset: reading.offset,
      firstOffset: log.firstOffset(clock.nowMs()),
    };
    const { since, limit } = query;
    const plan = planRecovery(
      since === null ? { type: "last", count: limit } : { type: "position", position: since },
      state,
    );
    const isComplete = since === null || plan.recovered;
    const from = isComplete ? plan.fromOffset : state.firstOffset;
    const publications: HistoryItem[] = log.read(from, limit).flatMap(publicationsOf);
    return { epoch: reading.epoch, offset: reading.offset, complete: isComplete, publications };
  }
}

/** History does not tell who sent what. */
function arrivalOf(entry: Entry | Group): BatchArrival {
  if ("producer" in entry) {
    const { producer, node, openedMs, sentMs } = entry;
    return { producer, node, openedMs, sentMs };
  }
  return { producer: "", node: "", openedMs: entry.timeMs, sentMs: entry.timeMs };
}

function appendOne(
  log: PublicationLog,
  listener: RedisStream["listener"],
  source: Uint8Array,
  start: number,
  end: number,
  meta: Uint8Array | null,
  nowMs: number,
): void {
  if (log.mustTakeBefore(end - start, meta?.length ?? 0)) {
    if (listener === null) log.takePending();
    else listener.mustTake();
  }
  log.append(source, start, end, meta, nowMs);
  listener?.appended();
}

/** What follows the last hole: publishers with other bounds than ours may have trimmed between two reads. */
function withoutHoles(entries: readonly Entry[]): readonly Entry[] {
  let start = entries.length - 1;
  while (start > 0) {
    const before = entries[start - 1] as Entry;
    if (before.firstOffset + before.count !== (entries[start] as Entry).firstOffset) break;
    start--;
  }
  return start <= 0 ? entries : entries.slice(start);
}

type RawEntry = [id: Buffer, fields: Buffer[]];

function toEntry([id, fields]: RawEntry): Entry {
  const lastOffset = Number(id.toString("latin1").split("-")[0]);
  const field = (name: string): Buffer => {
    const index = fields.findIndex((item, i) => i % 2 === 0 && item.toString("latin1") === name);
    return fields[index + 1] ?? Buffer.alloc(0);
  };
  const count = Number(field("n").toString("latin1"));
  return {
    firstOffset: lastOffset - count + 1,
    count,
    timeMs: Number(field("t").toString("latin1")),
    run: field("d"),
  };
}
