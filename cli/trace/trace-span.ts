import { Attribute } from "../../otel/attributes.ts";
import type { DeliveryTrace } from "../../otel/delivery-trace.ts";
import { spansOf } from "../../otel/span-tree.ts";

/** A span as it is shown, wherever it comes from. */
export interface TraceSpan {
  readonly node: string;
  readonly name: string;
  readonly spanId: string;
  /** Null for the root of the trace. */
  readonly parentSpanId: string | null;
  /** ms since 1970 with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** What went wrong; null when nothing did. */
  readonly error: string | null;
  /** What it said, in words; null where nothing was. */
  readonly errorMessage: string | null;
}

const EXCEPTION_EVENT = "exception";

/** The spans of what nodes told, just as they would be exported. */
export function spansOfParts(parts: readonly DeliveryTrace[]): TraceSpan[] {
  const all = parts.flatMap((part) =>
    spansOf(part).map(({ name, context, parent, startMs, endMs, attributes, error, events }) => ({
      node: part.node,
      name,
      spanId: context.spanId,
      parentSpanId: parent?.spanId ?? null,
      startMs,
      endMs,
      attributes,
      error,
      errorMessage: messageIn(events),
    })),
  );
  return withoutRepeats(all);
}

/** The message of the first failure among events. */
export function messageIn(
  events: readonly {
    readonly name: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[],
): string | null {
  const failure = events.find(({ name }) => name === EXCEPTION_EVENT);
  const message = failure?.attributes[Attribute.exceptionMessage];
  return typeof message === "string" ? message : null;
}

/** A stage that was told twice, when it began and when more was known of it, counts once. */
export function withoutRepeats(spans: readonly TraceSpan[]): TraceSpan[] {
  const byId = new Map<string, TraceSpan>();
  for (const span of spans) {
    const known = byId.get(span.spanId);
    if (known === undefined || tookMs(known) <= tookMs(span)) byId.set(span.spanId, span);
  }
  return [...byId.values()];
}

export function tookMs({ startMs, endMs }: TraceSpan): number {
  return endMs - startMs;
}

/** A number among the attributes; 0 without one. */
export function numberOf(span: TraceSpan, name: string): number {
  const value = span.attributes[name];
  return typeof value === "number" ? value : 0;
}

/** A text among the attributes; null without one. */
export function textOf(span: TraceSpan, name: string): string | null {
  const value = span.attributes[name];
  return typeof value === "string" ? value : null;
}
