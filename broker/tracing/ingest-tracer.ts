import { Code } from "../../protocol/codes.ts";
import type { Channel } from "../channels/channel.ts";
import type { Clock, Identity, TransformOutcome, TransformTiming } from "../ports.ts";
import { clientSentMs } from "./client-stamp.ts";
import type { DebugRules } from "./debug-rules.ts";
import type { DeliveryTrace, TraceReason } from "./delivery-trace.ts";
import { HeadSampler } from "./head-sampler.ts";
import { decodeMeta, givenContext, isHonoured, metaWithTrace } from "./publish-trace.ts";
import type { GivenContext, PublishTrace } from "./publish-trace.ts";
import { linkedTraceId, randomTraceId } from "./trace-id.ts";
import type { TraceOutlet } from "./trace-outlet.ts";

/** Who published: a session, or nobody who is connected. */
export interface TraceOrigin {
  readonly id?: string;
  readonly identity?: Identity | null;
}

/** One publication at ingest. */
export interface Arriving {
  readonly channel: Channel;
  readonly meta: Uint8Array | null;
  readonly publicationId: string | null;
  readonly payloadBytes: number;
  readonly origin: TraceOrigin;
  readonly context: GivenContext | null;
  /** When its publisher says to have published it, ms by this node's wall clock; null without. */
  readonly toldSentMs: number | null;
  /** The head sampling of its namespace has come to it. */
  readonly isHead: boolean;
}

export interface IngestTracerOptions {
  readonly outlet: TraceOutlet;
  readonly rules: DebugRules;
  readonly clock: Clock;
}

/** Decides at ingest what is traced, and what went wrong before a publication had a place. */
export class IngestTracer {
  readonly #options: IngestTracerOptions;

  constructor(options: IngestTracerOptions) {
    this.#options = options;
  }

  /** The trace of a publication, or null when it goes its way like the others. */
  decide(arriving: Arriving): PublishTrace | null {
    const { outlet } = this.#options;
    const { channel, isHead } = arriving;
    const sampler = isHead && channel.sampling instanceof HeadSampler ? channel.sampling : null;
    const skipped = sampler?.next() ?? 0;
    if (skipped > 0) outlet.stats.suppressed("head", skipped);
    const reason = this.#reasonFor(arriving);
    if (reason === null) return null;
    if (!outlet.admit(reason)) {
      if (reason === "head") sampler?.thin();
      return null;
    }
    return this.#begin(arriving, reason, outlet.time.nowMs(), null);
  }

  /** The engine has taken it in. */
  accepted(trace: PublishTrace): void {
    trace.acceptedMs = this.#options.outlet.time.nowMs();
  }

  #reasonFor({ channel, origin, context, isHead }: Arriving): TraceReason | null {
    const user = origin.identity?.user ?? null;
    if (this.#options.rules.matches(channel.name, origin.id ?? null, user)) return "debug";
    if (isHonoured(context)) return "upstream";
    return isHead ? "head" : null;
  }

  #begin(
    { channel, meta, publicationId, payloadBytes, origin, context, toldSentMs }: Arriving,
    reason: TraceReason,
    receivedMs: number,
    transform: DeliveryTrace["transform"],
  ): PublishTrace | null {
    const isForeign = context !== null && !context.isTrusted;
    const parent = context !== null && context.isTrusted ? context : null;
    const state = parent?.state ?? null;
    // Whoever it is: it moves the beginning of a trace by no more than its bound.
    const sentMs = clientSentMs(toldSentMs, receivedMs, this.#options.outlet);
    let traceId = parent?.traceId ?? randomTraceId();
    let encoded: Uint8Array | null;
    if (isForeign && meta !== null) {
      traceId = linkedTraceId(channel.name, context, decodeMeta(meta).timeMs ?? 0);
      encoded = meta;
    } else {
      const told = { receivedMs, clientSentMs: sentMs, transform };
      encoded = this.#encoded(meta, { traceId, reason, state, ...told });
    }
    if (encoded === null) return null;
    const connection = origin.id;
    return {
      traceId,
      reason,
      parent,
      link: isForeign ? context : null,
      channel: channel.name,
      namespace: channel.stream.options.pattern,
      id: publicationId,
      payloadBytes,
      publisher:
        connection === undefined ? null : { connection, user: origin.identity?.user ?? null },
      receivedMs,
      clientSentMs: sentMs,
      acceptedMs: 0,
      transform,
      meta: encoded,
    };
  }

  #encoded(
    meta: Uint8Array | null,
    context: Parameters<typeof metaWithTrace>[1],
  ): Uint8Array | null {
    const { outlet, clock } = this.#options;
    return metaWithTrace(meta, context, outlet.node, clock.wallMs());
  }

  /**
   * Hears what transforms made of a publication. One that was slow there is traced from now on: the trace it is
   * to go on with, or null.
   */
  transformed(
    arriving: Arriving,
    given: PublishTrace | null,
    outcome: TransformOutcome,
  ): PublishTrace | null {
    const { outlet } = this.#options;
    const { timing } = outcome;
    if (timing !== null) this.#recordStages(timing);
    const transform = this.#transformPart(outcome);
    const isPublished = outcome.type === "publish";
    const error = failureOf(outcome);
    if (given !== null) {
      given.transform = transform;
      if (isPublished) given.meta = this.#metaAfter(given, outcome.meta);
      // With a place it is emitted by whoever gives it one.
      if (!isPublished) outlet.emit(ingestTrace(given, outlet, error));
      return isPublished ? given : null;
    }
    const reason = this.#lateReason(arriving.channel, outcome);
    if (reason === null) return null;
    const receivedMs = timing === null ? outlet.time.nowMs() : this.#common(timing.enteredMs);
    if (!outlet.admit(reason)) return null;
    const { meta } = arriving;
    // Whoever published it, and was not traced, has no say in this trace.
    const context = meta === null ? null : givenContext(decodeMeta(meta), false);
    const trace = this.#begin({ ...arriving, context }, reason, receivedMs, transform);
    if (trace === null) return null;
    if (isPublished) return trace;
    outlet.emit(ingestTrace(trace, outlet, error));
    return null;
  }

  /** With what transforms made of it, and how long they had it; as it is where it only links to a context. */
  #metaAfter(given: PublishTrace, meta: Uint8Array | null): Uint8Array {
    const own = meta ?? given.meta;
    if (given.link !== null) return own;
    // One that they made too large goes on untold.
    return this.#encoded(own, { ...given, state: given.parent?.state ?? null }) ?? own;
  }

  #lateReason(channel: Channel, outcome: TransformOutcome): TraceReason | null {
    if (failureOf(outcome) !== null || outcome.timing?.fault != null) return "error";
    const { slowMs } = channel.stream.options;
    const { timing } = outcome;
    if (timing === null || slowMs === 0) return null;
    return timing.endedMs - timing.enteredMs > slowMs ? "slow" : null;
  }

  /** Transforms tell the time of this machine. */
  #common(wallMs: number): number {
    return wallMs + this.#options.outlet.time.wallErrorMs;
  }

  #recordStages({ enteredMs, startedMs, endedMs }: TransformTiming): void {
    const { stats } = this.#options.outlet;
    const leftQueueMs = startedMs > 0 ? startedMs : endedMs;
    stats.record("tx_queue", leftQueueMs - enteredMs);
    if (startedMs > 0) stats.record("tx_run", endedMs - startedMs);
  }

  #transformPart(outcome: TransformOutcome): DeliveryTrace["transform"] {
    const { timing } = outcome;
    if (timing === null) return null;
    return {
      ...timing,
      enteredMs: this.#common(timing.enteredMs),
      startedMs: timing.startedMs === 0 ? 0 : this.#common(timing.startedMs),
      endedMs: this.#common(timing.endedMs),
      verdict: outcome.type === "drop" ? `drop:${outcome.reason}` : outcome.type,
    };
  }
}

/** The name of what went wrong, when the publication is not to be had. */
function failureOf(outcome: TransformOutcome): string | null {
  if (outcome.type === "reject") return Code[outcome.error.code].name;
  if (outcome.type === "dead-letter") return "dead_letter";
  if (outcome.type === "drop" && outcome.reason !== "verdict") return `transform_${outcome.reason}`;
  return null;
}

/** The publishing node's part of a trace. */
export function ingestTrace(
  trace: PublishTrace,
  { node }: TraceOutlet,
  error: string | null,
  place: { readonly epoch: string; readonly offset: number } = { epoch: "", offset: 0 },
  busSend: DeliveryTrace["busSend"] = null,
): DeliveryTrace {
  const { traceId, parent, link, reason, channel, namespace, id, payloadBytes } = trace;
  const { receivedMs, clientSentMs: sentMs, acceptedMs, publisher, transform } = trace;
  return {
    traceId,
    parent,
    link,
    reason,
    node,
    publication: { channel, namespace, ...place, id, payloadBytes, publisher },
    ingest: {
      receivedMs,
      acceptedMs: acceptedMs > 0 ? acceptedMs : Math.max(receivedMs, transform?.endedMs ?? 0),
      clientSentMs: sentMs,
      error,
    },
    origin: null,
    transform,
    busSend,
    busReceive: null,
    fanOut: null,
    deliveries: [],
  };
}
