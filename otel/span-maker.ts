import { SpanKind } from "@opentelemetry/api";

import { spanIdOf } from "../protocol/span-id.ts";
import type { TraceStage } from "../protocol/span-id.ts";
import { Attribute, MESSAGING_SYSTEM } from "./attributes.ts";
import type { DeliveryTrace } from "./delivery-trace.ts";
import type { AttributeMap, SpanContextRecord, SpanRecord } from "./span-record.ts";

/** W3C: sampled. */
const SAMPLED = 1;

/** Attributes of a span; what is null is not there. */
export type SpanAttributes = Readonly<Record<string, AttributeMap[string] | null>>;

export type SpanParts = Partial<Omit<SpanRecord, "name" | "context" | "attributes">> &
  Pick<SpanRecord, "startMs" | "endMs"> & {
    readonly operation: string;
    readonly attributes: SpanAttributes;
  };

/** Makes the spans of one trace: their ids follow from what they stand for, and all say what they are of. */
export class SpanMaker {
  readonly #trace: DeliveryTrace;
  readonly #common: AttributeMap;

  constructor(trace: DeliveryTrace) {
    this.#trace = trace;
    const { id, epoch, offset, channel, namespace } = trace.publication;
    const messageId = id ?? (offset > 0 && epoch !== "" ? `${epoch}:${offset}` : null);
    this.#common = {
      [Attribute.system]: MESSAGING_SYSTEM,
      [Attribute.channel]: channel,
      [Attribute.template]: namespace,
      [Attribute.sampleReason]: trace.reason,
      ...(messageId === null ? {} : { [Attribute.messageId]: messageId }),
    };
  }

  context(stage: TraceStage, node: string, connection = ""): SpanContextRecord {
    return this.contextOf(spanIdOf(this.#trace.traceId, stage, node, connection));
  }

  /** Of a span of the trace whose id is known. */
  contextOf(spanId: string): SpanContextRecord {
    const { traceId, parent } = this.#trace;
    return { traceId, spanId, flags: SAMPLED, state: parent?.state ?? null };
  }

  /** Attributes that are null are left out. An error is both a status and the attribute `error.type`. */
  span(name: string, context: SpanContextRecord, parts: SpanParts): SpanRecord {
    const { operation, attributes, startMs, endMs, error = null } = parts;
    const all: AttributeMap = { ...this.#common };
    all[Attribute.operationName] = operation;
    for (const key of Object.keys(attributes)) {
      const value = attributes[key];
      if (value !== null && value !== undefined) all[key] = value;
    }
    if (error !== null) all[Attribute.errorType] = error;
    return {
      name,
      kind: parts.kind ?? SpanKind.INTERNAL,
      context,
      parent: parts.parent ?? null,
      startMs,
      endMs: Math.max(startMs, endMs),
      attributes: all,
      links: parts.links ?? [],
      events: parts.events ?? [],
      droppedEventCount: parts.droppedEventCount ?? 0,
      error,
    };
  }
}

/** From one time to another, ms; never below zero. */
export function elapsed(fromMs: number, toMs: number): number {
  return rounded(Math.max(0, toMs - fromMs));
}

/** To whole microseconds: what lies below is noise. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
