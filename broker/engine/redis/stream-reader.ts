import type { HistoryResult } from "../../../protocol/messages/history.ts";
import { answerFrom } from "../../channels/history.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { BatchArrival } from "../../tracing/flight-recorder.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import type { HistoryQuery } from "../engine.ts";
import type { PublicationLog } from "../publication-log.ts";
import { readRun } from "./envelope.ts";
import type { Group } from "./envelope.ts";
import { asBrokerError, messageOf } from "./lease-home.ts";
import { readAfter } from "./read-after.ts";
import type { Entry, HistorySource, Reading } from "./read-after.ts";
import type { RedisEngineStats } from "./redis-engine-options.ts";
import type { RedisStream } from "./redis-stream.ts";

/** A failed reading is tried again after this. */
const RETRY_MS = 100;
const FOREIGN_RETRY_MS = 1000;

/** What Redis has and this node has not may be on its way for this long. */
const ARRIVAL_MS = 100;

export interface StreamReaderOptions extends HistorySource {
  /** Resolves after a while. */
  readonly pause: (ms: number) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: RedisEngineStats;
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
      const reading = await readAfter(this.#options, stream, null);
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
        const reading = await readAfter(this.#options, stream, since);
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

  /** History of a stream this node does not follow. */
  async readDetached(stream: RedisStream, query: HistoryQuery): Promise<HistoryResult> {
    const reading = await readAfter(this.#options, stream, query.since?.offset ?? null);
    const { clock } = this.#options;
    const first = reading.entries[0];
    const log = stream.logFrom(first === undefined ? reading.offset : first.firstOffset - 1);
    for (const entry of reading.entries) this.#append(log, entry, null);
    const { epoch, parent, offset } = reading;
    return answerFrom(
      log,
      { epoch, parent, offset, firstOffset: log.firstOffset(clock.nowMs()) },
      query,
    );
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
