import type { HistoryResult } from "../../protocol/messages/history.ts";
import type { PresenceMember } from "../../protocol/messages/presence.ts";
import { readHistory } from "../channels/history.ts";
import type { NamespaceOptions } from "../channels/namespace.ts";
import type { Clock } from "../ports.ts";
import type { PublishTrace } from "../tracing/publish-trace.ts";
import type { Engine, HistoryQuery, PublishAck } from "./engine.ts";
import { randomEpoch } from "./epoch.ts";
import { IdempotencyWindow } from "./idempotency-window.ts";
import { PublicationLog } from "./publication-log.ts";
import type { Stream } from "./stream.ts";

/** A stream that never had a publication is forgotten after this, ms. */
const EMPTY_IDLE_MS = 60_000;

class MemoryStream implements Stream {
  readonly name: string;
  readonly id: number;
  readonly options: NamespaceOptions;
  readonly epoch = randomEpoch();
  readonly parent = null;
  arrival: Stream["arrival"] = null;
  readonly log: PublicationLog;
  listener: Stream["listener"] = null;
  ids: IdempotencyWindow | null = null;
  readonly members = new Map<string, PresenceMember>();
  lastUsedMs: number;

  constructor(name: string, id: number, options: NamespaceOptions, nowMs: number) {
    this.name = name;
    this.id = id;
    this.options = options;
    this.lastUsedMs = nowMs;
    this.log = new PublicationLog(id, 0, options.historySize, options.historyTtlMs);
  }
}

export interface MemoryEngineOptions {
  readonly clock: Clock;
  /** How long, and for how many publications a channel, a publication id is remembered. */
  readonly idempotencyWindowMs: number;
  readonly idempotencyKeys: number;
  /** Counts publishes that were answered with an earlier one's offset. */
  readonly counters?: { duplicates: number };
  /** How long an unused stream keeps its position, ms. */
  readonly channelIdleMs: number;
}

/** One process, nothing to install: streams live and die with it. */
export class MemoryEngine implements Engine {
  readonly name = "memory";
  readonly #options: MemoryEngineOptions;
  readonly #streams = new Map<string, MemoryStream>();
  #nextId = 1;
  #nowMs: number;

  constructor(options: MemoryEngineOptions) {
    this.#options = options;
    this.#nowMs = options.clock.nowMs();
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#streams.clear();
    return Promise.resolve();
  }

  isReady(): boolean {
    return true;
  }

  open(name: string, options: NamespaceOptions): MemoryStream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = new MemoryStream(name, this.#nextId++, options, this.#options.clock.nowMs());
      this.#streams.set(name, stream);
    }
    return stream;
  }

  close(stream: Stream): void {
    this.#streams.delete(stream.name);
  }

  isIdle(stream: Stream, nowMs: number): boolean {
    const { lastUsedMs, log } = this.#own(stream);
    const { channelIdleMs } = this.#options;
    // Without publications there is little to come back for, and asking for a channel is enough to make it.
    const keptMs =
      log.offset === 0
        ? Math.min(channelIdleMs, EMPTY_IDLE_MS)
        : Math.max(channelIdleMs, stream.options.historyTtlMs);
    return nowMs - lastUsedMs > keptMs;
  }

  attach(stream: Stream): undefined {
    this.#own(stream).lastUsedMs = this.#options.clock.nowMs();
    return undefined;
  }

  attachAll(): undefined {
    return undefined;
  }

  detachAll(): void {}

  onUnknownChannel(): void {
    // Every publication is made in this process, on a channel that is open.
  }

  detach(stream: Stream): void {
    this.#own(stream).lastUsedMs = this.#options.clock.nowMs();
  }

  publish(
    stream: Stream,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    publicationId: string | null,
    _ack: PublishAck | null,
    _requestId: number,
    trace: PublishTrace | null = null,
  ): number {
    const own = stream as MemoryStream;
    const { log, listener } = own;
    if (publicationId !== null) {
      const offset = this.#idsOf(own).find(publicationId, this.#options.clock.nowMs());
      if (offset > 0) {
        const { counters } = this.#options;
        if (counters !== undefined) counters.duplicates++;
        return offset;
      }
    }
    if (log.pendingCount === 0) this.#nowMs = this.#options.clock.nowMs();
    else if (listener !== null && log.mustTakeBefore(end - start, meta?.length ?? 0))
      listener.mustTake();
    own.lastUsedMs = this.#nowMs;
    const offset = log.append(source, start, end, meta, this.#nowMs);
    if (publicationId !== null) this.#idsOf(own).remember(publicationId, offset, this.#nowMs);
    if (listener !== null) listener.appended();
    else log.takePending();
    if (trace !== null) {
      listener?.tracedAppended?.({ offset, payloadBytes: end - start, own: trace, meta });
    }
    return offset;
  }

  #idsOf(stream: MemoryStream): IdempotencyWindow {
    const { idempotencyWindowMs, idempotencyKeys } = this.#options;
    return (stream.ids ??= new IdempotencyWindow(idempotencyWindowMs, idempotencyKeys));
  }

  #own(stream: Stream): MemoryStream {
    return stream as MemoryStream;
  }

  history(stream: Stream, query: HistoryQuery): HistoryResult {
    return readHistory(stream, query, this.#options.clock.nowMs());
  }

  enterPresence(stream: Stream, member: PresenceMember): void {
    const { members } = this.#own(stream);
    if (members.has(member.connection)) return;
    members.set(member.connection, member);
    stream.listener?.presenceChanged("join", member);
  }

  leavePresence(stream: Stream, member: PresenceMember): void {
    if (!this.#own(stream).members.delete(member.connection)) return;
    stream.listener?.presenceChanged("leave", member);
  }

  presence(stream: Stream): readonly PresenceMember[] {
    return [...this.#own(stream).members.values()];
  }

  sweep(nowMs: number): void {
    for (const stream of this.#streams.values()) {
      stream.log.trim(nowMs);
      stream.ids?.expire(nowMs);
    }
  }
}
