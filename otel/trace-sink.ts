import type { Resource } from "@opentelemetry/resources";

import type { BoundedSpanProcessor } from "./bounded-span-processor.ts";
import type { DeliveryTrace } from "./delivery-trace.ts";
import { readableSpan } from "./readable-span.ts";
import type { SpanContextRecord } from "./span-record.ts";
import { countSpans, spansOf } from "./span-tree.ts";

/** Span ids that are remembered, to tell a stage only once: from half of this to all of it. */
const MAX_REMEMBERED = 8192;

/** Takes traces: returns at once, never throws, and bounds what it keeps. */
export interface TraceSink {
  trace(delivery: DeliveryTrace): void;
}

export interface TraceSinkOptions {
  readonly processor: Pick<BoundedSpanProcessor, "hasRoom" | "onEnd">;
  readonly resource: Resource;
  readonly scope: { readonly name: string; readonly version: string };
}

/** Makes spans of what it is told and hands them to the processor. */
export function createTraceSink({ processor, resource, scope }: TraceSinkOptions): TraceSink {
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
  return {
    trace: (delivery) => {
      // All or nothing: a trace with holes would mislead. While the queue is full, no span is made.
      if (!processor.hasRoom(countSpans(delivery))) return;
      for (const record of spansOf(delivery)) {
        // What was told before, of the same publication on this node, is left out.
        if (wasTold(record.context)) continue;
        processor.onEnd(readableSpan(record, resource, scope));
      }
    },
  };
}
