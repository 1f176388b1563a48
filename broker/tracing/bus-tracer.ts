import type { Stream } from "../engine/stream.ts";
import type { Clock } from "../ports.ts";
import type { ClusterTime } from "./cluster-time.ts";
import type { DebugRules, TraceRuleChange } from "./debug-rules.ts";
import type { DeliveryStamp } from "./delivery-stamp.ts";
import type { DeliveryTrace, TraceReason } from "./delivery-trace.ts";
import type {
  EngineTracer,
  SentBatch,
  SentGroup,
  TracePeers,
  TraceRequest,
} from "./engine-tracer.ts";
import { ingestTrace } from "./ingest-tracer.ts";
import type { BusPlaces, LatePart } from "./late-trace.ts";
import type { PublishTrace } from "./publish-trace.ts";
import { messageTraceId, placeTraceId, randomTraceId } from "./trace-id.ts";
import type { TraceOutlet } from "./trace-outlet.ts";

/** Batches that are remembered, so that other nodes can ask for this node's part. */
const MAX_SENT = 4096;

interface Remembered {
  readonly partition: number;
  readonly shard: number;
  readonly stampMs: number;
  /** Of the cluster's clock. */
  readonly repliedMs: number;
  readonly publications: number;
}

export interface BusTracerOptions {
  readonly outlet: TraceOutlet;
  readonly clock: Clock;
  /** Whether batches are looked at that have no traced publication. */
  readonly isOn: boolean;
  readonly rules: DebugRules;
}

/** The way between nodes: tells the sending node's part, of its own accord or when asked. */
export class BusTracer implements EngineTracer, BusPlaces {
  readonly time: ClusterTime;
  readonly #options: BusTracerOptions;
  readonly #sent: Remembered[] = [];
  #nextSent = 0;
  #peers: TracePeers | null = null;

  constructor(options: BusTracerOptions) {
    this.#options = options;
    this.time = options.outlet.time;
  }

  connected(peers: TracePeers): void {
    this.#peers = peers;
  }

  placeOf(channel: string): { readonly partition: number; readonly shard: number } {
    return this.#peers?.placeOf(channel) ?? { partition: 0, shard: 0 };
  }

  /** Has all nodes know of a rule of this one. */
  tellRule(change: TraceRuleChange): void {
    this.#peers?.tellRule(change);
  }

  ruleChanged(change: TraceRuleChange): void {
    const { rules } = this.#options;
    if (change.type === "set") rules.adopt(change.rule);
    else rules.remove(change.id);
  }

  /** Has the node that sent a batch tell its part of a late trace. */
  ask(stamp: DeliveryStamp, part: LatePart): void {
    const { arrival, stream, epoch, bytes, count } = stamp;
    const peers = this.#peers;
    if (peers === null || arrival === null || arrival.producer === "") return;
    // What was traced from its ingest on has told its part already.
    if (stamp.traces.some(({ ingest }) => ingest !== null)) return;
    const request: TraceRequest = {
      traceId: part.traceId,
      reason: part.reason,
      channel: stream.name,
      namespace: stream.options.pattern,
      epoch,
      offset: part.offset,
      payloadBytes: Math.floor(bytes / Math.max(1, count)),
      partition: peers.placeOf(stream.name).partition,
      openedMs: arrival.openedMs,
      sentMs: arrival.sentMs,
    };
    if (arrival.producer === peers.producer) this.#tell(request);
    else peers.ask(arrival.producer, request);
  }

  /** Whoever asks has its own bound; this node's holds as well. */
  asked(request: TraceRequest): void {
    if (this.#options.outlet.admit(request.reason)) this.#tell(request);
  }

  #tell(request: TraceRequest): void {
    const { outlet } = this.#options;
    const { traceId, reason, channel, namespace, epoch, offset, payloadBytes } = request;
    if (outlet.recent.find(traceId).some(({ ingest }) => ingest !== null)) return;
    const { partition, openedMs, sentMs } = request;
    const sent = this.#sent.find((one) => one.partition === partition && one.stampMs === sentMs);
    const known: PublishTrace = {
      traceId,
      reason,
      parent: null,
      link: null,
      channel,
      namespace,
      id: null,
      payloadBytes,
      publisher: null,
      receivedMs: openedMs,
      clientSentMs: 0,
      acceptedMs: openedMs,
      transform: null,
      meta: new Uint8Array(0),
    };
    const busSend: DeliveryTrace["busSend"] =
      sent === undefined
        ? null
        : {
            partition,
            shard: sent.shard,
            queuedMs: openedMs,
            sentMs,
            repliedMs: sent.repliedMs,
            batchSize: sent.publications,
            error: null,
          };
    outlet.emit(ingestTrace(known, outlet, null, { epoch, offset }, busSend));
  }

  refused(stream: Stream, payloadBytes: number, error: string, trace: PublishTrace | null): void {
    const { outlet } = this.#options;
    const known = trace ?? this.#begin(stream, payloadBytes, outlet.time.nowMs(), "error");
    if (known !== null) outlet.emit(ingestTrace(known, outlet, error));
  }

  sent(batch: SentBatch): void {
    const { outlet, isOn } = this.#options;
    if (isOn) {
      if (batch.sentMs > 0) outlet.stats.record("bus_queue", batch.sentMs - batch.openedMs);
      this.#remember(batch);
    }
    let isTold = false;
    for (const group of batch.groups) {
      for (const { index, trace } of group.traces) {
        this.#emit(batch, group, index, trace);
        isTold = true;
      }
    }
    if (isTold || !isOn) return;
    const failed = batch.groups.find(({ error }) => error !== null);
    if (failed !== undefined) this.#emitLate(batch, failed, "error");
    else {
      const waitedMs = batch.repliedMs - batch.openedMs;
      const slow = batch.groups.find(
        ({ stream }) => stream.options.slowMs > 0 && waitedMs > stream.options.slowMs,
      );
      if (slow !== undefined) this.#emitLate(batch, slow, "slow");
    }
  }

  #remember({ partition, shard, stampMs, repliedMs, publications }: SentBatch): void {
    this.#sent[this.#nextSent++ % MAX_SENT] = {
      partition,
      shard,
      stampMs,
      repliedMs: this.time.at(repliedMs),
      publications,
    };
  }

  /** One publication stands for its batch. */
  #emitLate(batch: SentBatch, group: SentGroup, reason: TraceReason): void {
    const { outlet } = this.#options;
    const { stream, firstOffset, epoch } = group;
    const openedMs = outlet.time.at(batch.openedMs);
    const hasPlace = firstOffset > 0 && epoch !== "";
    const traceId = hasPlace
      ? placeTraceId(epoch, stream.name, firstOffset)
      : messageTraceId(stream.name, batch.producer, batch.stampMs, 0);
    if (outlet.recent.find(traceId).some(({ ingest }) => ingest !== null)) return;
    const trace = this.#begin(stream, 0, openedMs, reason, traceId);
    if (trace !== null) this.#emit(batch, group, 0, trace);
  }

  #begin(
    stream: Stream,
    payloadBytes: number,
    receivedMs: number,
    reason: TraceReason,
    traceId = randomTraceId(),
  ): PublishTrace | null {
    if (!this.#options.outlet.admit(reason)) return null;
    return {
      traceId,
      reason,
      parent: null,
      link: null,
      channel: stream.name,
      namespace: stream.options.pattern,
      id: null,
      payloadBytes,
      publisher: null,
      receivedMs,
      clientSentMs: 0,
      acceptedMs: receivedMs,
      transform: null,
      meta: new Uint8Array(0),
    };
  }

  #emit(batch: SentBatch, group: SentGroup, index: number, trace: PublishTrace): void {
    const { outlet } = this.#options;
    const { time } = outlet;
    const offset = group.firstOffset > 0 ? group.firstOffset + index : 0;
    const busSend = {
      partition: batch.partition,
      shard: batch.shard,
      queuedMs: time.at(batch.openedMs),
      sentMs: batch.sentMs > 0 ? time.at(batch.sentMs) : 0,
      repliedMs: time.at(batch.repliedMs),
      batchSize: batch.publications,
      error: group.error,
    };
    const place = { epoch: offset > 0 ? group.epoch : "", offset };
    outlet.emit(ingestTrace(trace, outlet, group.error, place, busSend));
  }
}
