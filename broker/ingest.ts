import type { Channel } from "./channels/channel.ts";
import type { Engine } from "./engine/engine.ts";
import type { Stats } from "./stats.ts";
import type { TraceOrigin } from "./tracing/ingest-tracer.ts";
import type { GivenContext, PublishTrace } from "./tracing/publish-trace.ts";
import type { Tracer } from "./tracing/tracer.ts";
import type { Publisher } from "./transforms/ticket.ts";
import type { TransformGate } from "./transforms/transform-gate.ts";

/**
 * The one way in for publications, of sessions and of the server API: straight to the engine, or through the
 * transforms that are bound to the channel first.
 */
export class Ingest {
  readonly #engine: Engine;
  readonly #stats: Stats;
  readonly #gate: TransformGate | null;
  readonly #tracer: Tracer | null;
  readonly #rules: Tracer["rules"] | null;

  constructor(
    engine: Engine,
    stats: Stats,
    gate: TransformGate | null,
    tracer: Tracer | null = null,
  ) {
    this.#tracer = tracer;
    this.#rules = tracer?.rules ?? null;
    this.#engine = engine;
    this.#stats = stats;
    this.#gate = gate;
  }

  /**
   * Takes in `source[start, end)`, which has been checked and is not kept. Returns the offset when it is known at
   * once; else 0, and `publisher` hears the outcome exactly once.
   * @param meta encoded meta field, or null for a plain publication
   * @param publicationId idempotency key, or null
   * @param key conflation key, or null
   * @param requestId handed back to `publisher`
   * @param context trace context the publisher gave
   * @param toldSentMs when the publisher says to have published it, ms by this node's wall clock
   */
  publish(
    channel: Channel,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    publicationId: string | null,
    key: string | null,
    publisher: Publisher,
    requestId: number,
    context: GivenContext | null = null,
    toldSentMs: number | null = null,
  ): number {
    const trace = this.#traceOf(
      channel,
      meta,
      publicationId,
      end - start,
      publisher,
      context,
      toldSentMs,
    );
    const carried = trace === null ? meta : trace.meta;
    const gate = this.#gate;
    if (gate !== null) {
      if (channel.routeGeneration !== gate.generation) gate.resolve(channel);
      if (channel.route !== null) {
        gate.submit(
          channel,
          source,
          start,
          end,
          carried,
          publicationId,
          key,
          publisher,
          requestId,
          trace,
        );
        return 0;
      }
    }
    const { stream } = channel;
    const stats = this.#stats;
    stats.publications++;
    stats.publicationBytes += end - start;
    const offset = this.#engine.publish(
      stream,
      source,
      start,
      end,
      carried,
      publicationId,
      publisher,
      requestId,
      trace,
    );
    if (trace !== null) this.#tracer?.ingest.accepted(trace);
    return offset;
  }

  /**
   * The same for one with nothing but its payload, which most are: where nothing is bound to its channel and it is
   * not the one to be traced, the engine gets it without further ado.
   */
  publishPlain(
    channel: Channel,
    source: Uint8Array,
    start: number,
    end: number,
    publisher: Publisher,
    requestId: number,
  ): number {
    const { sampling, stream } = channel;
    const gate = this.#gate;
    const isBound =
      gate !== null && (channel.routeGeneration !== gate.generation || channel.route !== null);
    if (isBound || sampling.left === 1 || this.#rules?.isAny === true) {
      return this.publish(channel, source, start, end, null, null, null, publisher, requestId);
    }
    sampling.left--;
    const stats = this.#stats;
    stats.publications++;
    stats.publicationBytes += end - start;
    return this.#engine.publish(stream, source, start, end, null, null, publisher, requestId, null);
  }

  /** Null for almost all: then this costs a countdown and two comparisons. */
  #traceOf(
    channel: Channel,
    meta: Uint8Array | null,
    publicationId: string | null,
    payloadBytes: number,
    publisher: Publisher,
    context: GivenContext | null,
    toldSentMs: number | null,
  ): PublishTrace | null {
    const isHead = --channel.sampling.left === 0;
    const tracer = this.#tracer;
    if (!isHead && context === null && tracer?.rules.isAny !== true) return null;
    if (tracer === null) return null;
    const origin = publisher as TraceOrigin;
    return tracer.ingest.decide({
      channel,
      meta,
      publicationId,
      payloadBytes,
      origin,
      context,
      toldSentMs,
      isHead,
    });
  }
}
