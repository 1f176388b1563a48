import { describe, expect, test } from "bun:test";

import { SpanKind } from "@opentelemetry/api";

import { countSpans } from "../../otel/span-count.ts";
import { spansOf } from "../../otel/span-tree.ts";
import { spanIdOf } from "../../protocol/span-id.ts";
import {
  busReceiveOf,
  busSendOf,
  deliveryOf,
  fanOutOf,
  ingestOf,
  T0_MS,
  TRACE_ID,
  traceOf,
  transformOf,
} from "../support/delivery-trace.ts";
import { byName, OTHER, spanOf, times } from "../support/spans.ts";

test("what went all the way gives the whole tree", () => {
  const trace = traceOf({
    ingest: ingestOf({ acceptedMs: T0_MS + 45 }),
    transform: transformOf(),
    busSend: busSendOf(),
    busReceive: busReceiveOf(),
    fanOut: fanOutOf(),
    deliveries: [deliveryOf()],
  });
  const spans = spansOf(trace);
  const ids = new Map(spans.map(({ name, context }) => [context.spanId, name]));
  const tree = spans.map((span) => ({
    name: span.name,
    kind: span.kind,
    below: span.parent === null ? null : ids.get(span.parent.spanId),
    times: times(span),
  }));
  const { INTERNAL, SERVER, PRODUCER, CONSUMER } = SpanKind;
  expect(tree).toEqual([
    { name: "ingest market.>", kind: SERVER, below: null, times: [0, 45] },
    { name: "transform enrich", kind: INTERNAL, below: "ingest market.>", times: [1, 36] },
    { name: "transform.run enrich", kind: INTERNAL, below: "transform enrich", times: [31, 36] },
    { name: "bus.publish 17", kind: PRODUCER, below: "ingest market.>", times: [40, 45] },
    { name: "bus.receive 17", kind: CONSUMER, below: "bus.publish 17", times: [42, 44] },
    { name: "fanout market.>", kind: INTERNAL, below: "bus.receive 17", times: [46, 50] },
    { name: "deliver market.>", kind: INTERNAL, below: "ingest market.>", times: [0, 48] },
  ]);
  for (const { context, attributes, error } of spans) {
    expect(context).toMatchObject({ traceId: TRACE_ID, flags: 1 });
    expect(error).toBeNull();
    expect(attributes).toMatchObject({
      "messaging.system": "tickwire",
      "messaging.destination.name": "market.btc",
      "messaging.destination.template": "market.>",
      "messaging.message.id": "e1:7",
      "tickwire.sample.reason": "head",
    });
  }
  expect(new Set(spans.map(({ context }) => context.spanId)).size).toBe(spans.length);
});

test("the spans are as many as they are counted beforehand", () => {
  const anomalies = Array.from({ length: 20 }, (_, i) => deliveryOf({ connection: `c${i}` }));
  const traces = [
    traceOf(),
    traceOf({ ingest: null }),
    traceOf({ transform: transformOf() }),
    traceOf({ transform: transformOf({ startedMs: 0 }), busSend: busSendOf() }),
    traceOf({ busReceive: busReceiveOf(), fanOut: fanOutOf(), deliveries: anomalies }),
  ];
  expect(traces.map(countSpans)).toEqual(traces.map((trace) => spansOf(trace).length));
});

test("parts of two nodes fit together", () => {
  const sent = spansOf(traceOf({ busSend: busSendOf() }));
  const received = spansOf(
    traceOf({
      node: "node-b",
      ingest: null,
      busReceive: busReceiveOf(),
      fanOut: fanOutOf(),
      deliveries: [deliveryOf()],
    }),
  );
  const ids = new Set([...sent, ...received].map(({ context }) => context.spanId));
  const orphans = [...sent, ...received].filter(
    ({ parent }) => parent !== null && !ids.has(parent.spanId),
  );
  expect(orphans).toEqual([]);
  expect(ids.size).toBe(5);
  expect(received.find(({ name }) => name === "bus.receive 17")?.parent?.spanId).toBe(
    spanIdOf(TRACE_ID, "bus.publish", "node-a"),
  );
});

describe("ingest", () => {
  test("names the publisher", () => {
    expect(spanOf(traceOf(), "ingest market.>").attributes).toMatchObject({
      "messaging.operation.name": "ingest",
      "messaging.operation.type": "receive",
      "messaging.message.body.size": 120,
      "messaging.client.id": "conn-p",
      "user.id": "alice",
      "tickwire.epoch": "e1",
      "tickwire.offset": 7,
    });
  });

  test("hangs below the context of a publisher that is trusted", () => {
    const span = spanOf(traceOf({ traceId: OTHER.traceId, parent: OTHER }), "ingest market.>");
    expect(span.parent).toEqual(OTHER);
    expect(span.context).toMatchObject({ traceId: OTHER.traceId, state: "vendor=1" });
    expect(span.links).toEqual([]);
  });

  test("only links to the context of one that is not", () => {
    const trace = traceOf({ link: OTHER, deliveries: [deliveryOf()] });
    const ingest = spanOf(trace, "ingest market.>");
    expect([ingest.parent, ingest.links]).toEqual([null, [OTHER]]);
    expect(spanOf(trace, "deliver market.>").links).toEqual([OTHER]);
  });

  test("of a publication that was refused is an error, with the code's name", () => {
    const ingest = ingestOf({ acceptedMs: 0, error: "overloaded" });
    const { publication } = traceOf();
    const trace = traceOf({ ingest, publication: { ...publication, offset: 0, epoch: "" } });
    const span = spanOf(trace, "ingest market.>");
    expect([span.error, times(span)]).toEqual(["overloaded", [0, 0]]);
    expect(span.attributes["error.type"]).toBe("overloaded");
    expect(span.attributes).not.toContainAnyKeys(["messaging.message.id", "tickwire.offset"]);
  });

  test("carries the publication's own id where there is one", () => {
    const { publication } = traceOf();
    const trace = traceOf({ publication: { ...publication, id: "order-1" } });
    expect(spanOf(trace, "ingest market.>").attributes["messaging.message.id"]).toBe("order-1");
  });
});

describe("a transform", () => {
  test("tells waiting from running", () => {
    const trace = traceOf({ transform: transformOf() });
    expect(spanOf(trace, "transform enrich").attributes).toMatchObject({
      "tickwire.transform.queue_ms": 30,
      "tickwire.transform.run_ms": 5,
      "tickwire.transform.stages": ["enrich"],
      "tickwire.transform.versions": ["1.2.0"],
      "tickwire.transform.worker": 2,
      "tickwire.transform.attempt": 1,
      "tickwire.transform.verdict": "replace",
      "tickwire.batch.size": 8,
    });
  });

  test("of several stages names them all", () => {
    const stages = [
      { name: "enrich", version: "1.2.0" },
      { name: "mask", version: "2.0.0" },
    ];
    const trace = traceOf({ transform: transformOf({ stages }) });
    expect([...byName(trace).keys()]).toEqual([
      "ingest market.>",
      "transform enrich+mask",
      "transform.run enrich+mask",
    ]);
  });

  test("that failed is an error with the fault in an event", () => {
    const fault = { type: "TypeError", message: "no price" };
    const trace = traceOf({ transform: transformOf({ fault, verdict: "failed" }) });
    for (const name of ["transform enrich", "transform.run enrich"]) {
      const span = spanOf(trace, name);
      expect(span.error).toBe("TypeError");
      expect(span.attributes["error.type"]).toBe("TypeError");
      expect(span.events).toEqual([
        {
          name: "exception",
          atMs: T0_MS + 36,
          attributes: { "exception.type": "TypeError", "exception.message": "no price" },
        },
      ]);
    }
  });

  test("that never ran has no run", () => {
    const transform = transformOf({ startedMs: 0, endedMs: T0_MS + 500, verdict: "shed" });
    const trace = traceOf({ transform });
    expect([...byName(trace).keys()]).toEqual(["ingest market.>", "transform enrich"]);
    const { attributes } = spanOf(trace, "transform enrich");
    expect(attributes).not.toContainAnyKeys(["tickwire.transform.queue_ms"]);
    expect(times(spanOf(trace, "transform enrich"))).toEqual([1, 500]);
  });
});

describe("the bus", () => {
  test("tells waiting in the outbox from the way", () => {
    const trace = traceOf({ busSend: busSendOf(), busReceive: busReceiveOf() });
    expect(spanOf(trace, "bus.publish 17").attributes).toMatchObject({
      "messaging.operation.type": "send",
      "messaging.destination.partition.id": "17",
      "db.system.name": "redis",
      "tickwire.bus.shard": 1,
      "tickwire.bus.queue_ms": 2,
      "tickwire.batch.size": 12,
    });
    expect(spanOf(trace, "bus.receive 17").attributes).toMatchObject({
      "messaging.operation.type": "receive",
      "tickwire.bus.from_node": "node-a",
      "tickwire.bus.queue_ms": 2,
      "tickwire.bus.transit_ms": 2,
      "tickwire.bus.healed": false,
      "tickwire.clock.uncertainty_ms": 0.2,
    });
  });

  test("that gave no answer ends with the sending, as an error", () => {
    const busSend = busSendOf({ repliedMs: 0, error: "unavailable" });
    const span = spanOf(traceOf({ busSend }), "bus.publish 17");
    expect([span.error, times(span)]).toEqual(["unavailable", [40, 42]]);
  });

  test("whose clocks disagree is never shorter than nothing, and says so", () => {
    const busReceive = busReceiveOf({ sentMs: T0_MS + 60 });
    const span = spanOf(traceOf({ ingest: null, node: "node-b", busReceive }), "bus.receive 17");
    expect(times(span)).toEqual([60, 60]);
    expect(span.attributes).toMatchObject({
      "tickwire.bus.transit_ms": 0,
      "tickwire.clock.negative": true,
    });
  });
});
