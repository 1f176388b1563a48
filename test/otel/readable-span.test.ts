import { expect, test } from "bun:test";

import { SpanStatusCode } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";

import { hrTime, readableSpan } from "../../otel/readable-span.ts";
import type { SpanRecord } from "../../otel/span-record.ts";
import { spansOf } from "../../otel/span-tree.ts";
import { ingestOf, T0_MS, traceOf } from "../support/delivery-trace.ts";

const SCOPE = { name: "tickwire", version: "1" };

function readable(parts: Partial<SpanRecord> = {}) {
  const [record] = spansOf(traceOf({ ingest: ingestOf({ acceptedMs: T0_MS + 1.25 }) }));
  if (record === undefined) throw new Error("no span");
  return readableSpan({ ...record, ...parts }, resourceFromAttributes({}), SCOPE);
}

test.each([
  [0, [0, 0]],
  [1.5, [0, 1_500_000]],
  [999.9999999, [1, 0]],
  [1_800_000_000_000.25, [1_800_000_000, 250_000]],
] as [number, [number, number]][])("%d ms as seconds and nanoseconds", (ms, wanted) => {
  expect(hrTime(ms)).toEqual(wanted);
});

test("a span is whole, sampled and at its time", () => {
  const span = readable();
  expect(span).toMatchObject({
    name: "ingest market.>",
    startTime: [1_800_000_000, 0],
    endTime: [1_800_000_000, 1_250_000],
    duration: [0, 1_250_000],
    status: { code: SpanStatusCode.UNSET },
    ended: true,
    instrumentationScope: SCOPE,
  });
  expect(span.spanContext().traceFlags).toBe(1);
  expect(span.parentSpanContext).toBeUndefined();
});

test("an error is one by its status", () => {
  expect(readable({ error: "overloaded" }).status).toEqual({
    code: SpanStatusCode.ERROR,
    message: "overloaded",
  });
});

test("trace state is handed on, unless there is too much of it", () => {
  const parent = { traceId: "a".repeat(32), spanId: "b".repeat(16), flags: 1 };
  const stateOf = (state: string | null) =>
    readable({ parent: { ...parent, state } }).parentSpanContext?.traceState?.serialize();
  expect(stateOf("vendor=1,tickwire=head")).toBe("vendor=1,tickwire=head");
  expect(stateOf(null)).toBeUndefined();
  expect(stateOf("")).toBeUndefined();
  expect(stateOf(`vendor=${"x".repeat(600)}`)).toBeUndefined();
});
