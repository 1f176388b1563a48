import { expect, test } from "bun:test";

import * as semconv from "@opentelemetry/semantic-conventions/incubating";

import { Attribute, LATENCY_STAGES, latencyAttribute } from "../../otel/attributes.ts";
import { spansOf } from "../../otel/span-tree.ts";
import {
  busReceiveOf,
  busSendOf,
  deliveryOf,
  fanOutOf,
  ingestOf,
  traceOf,
  transformOf,
} from "../support/delivery-trace.ts";

const CONVENTIONS = new Set<unknown>(
  Object.entries(semconv).flatMap(([name, value]) => (name.startsWith("ATTR_") ? [value] : [])),
);
/** Of the conventions' operation types, those that are not deprecated. */
const OPERATION_TYPES: readonly string[] = [
  semconv.MESSAGING_OPERATION_TYPE_VALUE_CREATE,
  semconv.MESSAGING_OPERATION_TYPE_VALUE_SEND,
  semconv.MESSAGING_OPERATION_TYPE_VALUE_RECEIVE,
  semconv.MESSAGING_OPERATION_TYPE_VALUE_PROCESS,
  semconv.MESSAGING_OPERATION_TYPE_VALUE_SETTLE,
];

const spans = spansOf(
  traceOf({
    ingest: ingestOf({ error: "overloaded" }),
    transform: transformOf({ fault: { type: "Error", message: "m" } }),
    busSend: busSendOf({ error: "unavailable" }),
    busReceive: busReceiveOf(),
    fanOut: fanOutOf({ anomaliesLeftOut: 1 }),
    deliveries: [
      deliveryOf({ receivedMs: 1, isClamped: true }),
      deliveryOf({ connection: "other", outcome: "dropped", dropReason: "slow", handedOverMs: 0 }),
    ],
  }),
);

test("names are those of the semantic conventions, or our own", () => {
  const unknown = Object.values(Attribute).filter(
    (name) => !name.startsWith("tickwire.") && !CONVENTIONS.has(name),
  );
  expect(unknown).toEqual([]);
  const taken = Object.values(Attribute).filter(
    (name) => name.startsWith("tickwire.") && CONVENTIONS.has(name),
  );
  expect(taken).toEqual([]);
  expect(new Set(Object.values(Attribute)).size).toBe(Object.values(Attribute).length);
});

test("spans have no attribute that is not in the list", () => {
  const known = new Set<string>([
    ...Object.values(Attribute),
    ...LATENCY_STAGES.map(latencyAttribute),
  ]);
  const used = spans.flatMap(({ attributes, events }) => [
    ...Object.keys(attributes),
    ...events.flatMap((event) => Object.keys(event.attributes)),
  ]);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
  expect(spans).toHaveLength(8);
});

test("what the conventions require of a messaging span is on every one", () => {
  for (const { name, attributes } of spans) {
    const required = [semconv.ATTR_MESSAGING_SYSTEM, semconv.ATTR_MESSAGING_OPERATION_NAME];
    expect([name, required.filter((key) => !(key in attributes))]).toEqual([name, []]);
    expect([name, name.split(" ")[0]]).toEqual([
      name,
      String(attributes[semconv.ATTR_MESSAGING_OPERATION_NAME]),
    ]);
    // The conventions forbid it on spans of a single message.
    expect(attributes).not.toContainAnyKeys([semconv.ATTR_MESSAGING_BATCH_MESSAGE_COUNT]);
    const type = attributes[semconv.ATTR_MESSAGING_OPERATION_TYPE];
    if (type !== undefined) expect(OPERATION_TYPES).toContain(String(type));
  }
});

test("names of spans have few values: neither channel, user nor connection", () => {
  for (const { name } of spans) {
    for (const text of ["market.btc", "conn-", "alice", "bob"]) expect(name).not.toContain(text);
  }
});

test("a failed span says so both ways", () => {
  for (const { name, error, attributes } of spans) {
    expect([name, attributes[semconv.ATTR_ERROR_TYPE] ?? null]).toEqual([name, error]);
  }
});
