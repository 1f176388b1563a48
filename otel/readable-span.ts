import { createTraceState, SpanStatusCode } from "@opentelemetry/api";
import type { HrTime, SpanContext } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";

import type { SpanContextRecord, SpanRecord } from "./span-record.ts";

/** Longer ones are not passed on. */
const MAX_STATE_CHARS = 512;

/** A span for the SDK's processors and exporters, made whole: nothing of it was ever live. */
export function readableSpan(
  record: SpanRecord,
  resource: Resource,
  scope: { readonly name: string; readonly version: string },
): ReadableSpan {
  const context = toSpanContext(record.context);
  const { parent, startMs, endMs, error } = record;
  return {
    name: record.name,
    kind: record.kind,
    spanContext: () => context,
    ...(parent === null ? {} : { parentSpanContext: toSpanContext(parent) }),
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(endMs - startMs),
    status:
      error === null
        ? { code: SpanStatusCode.UNSET }
        : { code: SpanStatusCode.ERROR, message: error },
    attributes: record.attributes,
    links: record.links.map((link) => ({ context: toSpanContext(link) })),
    events: record.events.map(({ name, atMs, attributes }) => ({
      name,
      attributes,
      time: hrTime(atMs),
      droppedAttributesCount: 0,
    })),
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: record.droppedEventCount,
    droppedLinksCount: 0,
  };
}

function toSpanContext({ traceId, spanId, flags, state }: SpanContextRecord): SpanContext {
  const base = { traceId, spanId, traceFlags: flags };
  if (state === null || state === "" || state.length > MAX_STATE_CHARS) return base;
  return { ...base, traceState: createTraceState(state) };
}

/** [seconds, nanoseconds] of ms with fractions. */
export function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  const nanos = Math.round((ms - seconds * 1000) * 1e6);
  return nanos === 1e9 ? [seconds + 1, 0] : [seconds, nanos];
}
