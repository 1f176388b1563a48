import type { DeliveryTrace } from "../../otel/delivery-trace.ts";
import type { SpanRecord } from "../../otel/span-record.ts";
import { spansOf } from "../../otel/span-tree.ts";
import { T0_MS } from "./delivery-trace.ts";

/** A context of somebody else. */
export const OTHER = {
  traceId: "a".repeat(32),
  spanId: "b".repeat(16),
  flags: 1,
  state: "vendor=1",
};

export function byName(trace: DeliveryTrace): ReadonlyMap<string, SpanRecord> {
  return new Map(spansOf(trace).map((span) => [span.name, span]));
}

export function spanOf(trace: DeliveryTrace, name: string): SpanRecord {
  const span = byName(trace).get(name);
  if (span === undefined) throw new Error(`no span ${name}`);
  return span;
}

/** ms after T0. */
export function times({ startMs, endMs }: SpanRecord): [number, number] {
  return [startMs - T0_MS, endMs - T0_MS];
}
