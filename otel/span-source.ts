import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";

import type { DeliveryTrace } from "./delivery-trace.ts";
import { readableSpan } from "./readable-span.ts";
import type { SpanContextRecord } from "./span-record.ts";
import { spansOf } from "./span-tree.ts";

/** Span ids that are remembered, to tell a stage only once: from half of this to all of it. */
const MAX_REMEMBERED = 8192;

export interface SpanSourceOptions {
  readonly processor: { onEnd(span: ReadableSpan): void };
  readonly resource: Resource;
  readonly scope: { readonly name: string; readonly version: string };
}

/**
 * Makes spans of traces and hands them to the processor. What was told before, of the same publication on this node, is
 * left out; returns how many spans that were.
 */
export function createSpanSource({
  processor,
  resource,
  scope,
}: SpanSourceOptions): (delivery: DeliveryTrace) => number {
  // Two generations: taking the oldest out of one set, span by span, would be a quarter of the cost of a trace.
  let young = new Set<string>();
  let old = new Set<string>();
  const wasTold = ({ traceId, spanId }: SpanContextRecord): boolean => {
    const id = traceId + spanId;
    if (young.has(id) || old.has(id)) return true;
    if (young.size >= MAX_REMEMBERED / 2) {
      old = young;
      young = new Set();
    }
    young.add(id);
    return false;
  };
  return (delivery) => {
    let repeated = 0;
    for (const record of spansOf(delivery)) {
      if (wasTold(record.context)) repeated++;
      else processor.onEnd(readableSpan(record, resource, scope));
    }
    return repeated;
  };
}
