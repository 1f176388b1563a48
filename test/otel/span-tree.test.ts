import { describe, expect, test } from "bun:test";

import { SpanKind } from "@opentelemetry/api";

import type { DeliveryTrace } from "../../otel/delivery-trace.ts";
import { countSpans } from "../../otel/span-count.ts";
import type { SpanRecord } from "../../otel/span-record.ts";
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

const OTHER = { traceId: "a".repeat(32), spanId: "b".repeat(16), flags: 1, state: "vendor=1" };

function byName(trace: DeliveryTrace): ReadonlyMap<string, SpanRecord> {
  return new Map(spansOf(trace).map((span) => [span.name, span]));
}

function spanOf(trace: DeliveryTrace, name: string): SpanRecord {
  const span = byName(trace).get(name);
  if (span === undefined) throw new Error(`no span ${name}`);
  return span;
}

/** ms after T0. */
function times({ startMs, endMs }: SpanRecord): [number, number] {
  return [startMs - T0_MS, endMs - T0_MS];
}

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

describe("the fan-out", () => {
  const anomalies = Array.from({ length: 40 }, (_, i) => ({
    atMs: T0_MS + 47 + i / 100,
    connection: `conn-${i}`,
    outcome: i === 0 ? ("queued" as const) : ("slow" as const),
    queuedBytes: 1000 + i,
  }));

  test("counts, and hangs below ingest where there was no hop", () => {
    const span = spanOf(traceOf({ fanOut: fanOutOf() }), "fanout market.>");
    expect(span.parent?.spanId).toBe(spanIdOf(TRACE_ID, "ingest", "node-a"));
    expect(span.attributes).toMatchObject({
      "tickwire.fanout.subscribers": 3,
      "tickwire.fanout.delivered": 2,
      "tickwire.fanout.queued": 1,
      "tickwire.fanout.dropped": 0,
      "tickwire.fanout.bytes": 360,
      "tickwire.batch.size": 4,
    });
    expect(span.attributes).not.toContainAnyKeys(["tickwire.fanout.dropped_events"]);
  });

  test("tells of 32 subscribers at most, and of how many it does not", () => {
    const fanOut = fanOutOf({ anomalies, anomaliesLeftOut: 100 });
    const span = spanOf(traceOf({ fanOut }), "fanout market.>");
    expect(span.events).toHaveLength(32);
    expect(span.events.slice(0, 2)).toEqual([
      {
        name: "queued",
        atMs: T0_MS + 47,
        attributes: {
          "messaging.client.id": "conn-0",
          "tickwire.outcome": "queued",
          "tickwire.outbound.queued_bytes": 1000,
        },
      },
      {
        name: "dropped",
        atMs: T0_MS + 47.01,
        attributes: {
          "messaging.client.id": "conn-1",
          "tickwire.outcome": "dropped",
          "tickwire.outbound.queued_bytes": 1001,
          "tickwire.drop.reason": "slow",
        },
      },
    ]);
    expect(span.droppedEventCount).toBe(108);
    expect(span.attributes["tickwire.fanout.dropped_events"]).toBe(108);
  });
});

describe("a delivery", () => {
  test("lasts from the client's sending to the client's receipt", () => {
    const trace = traceOf({
      ingest: ingestOf({ clientSentMs: T0_MS - 20 }),
      fanOut: fanOutOf(),
      deliveries: [
        deliveryOf({ receivedMs: T0_MS + 90, clockOffsetMs: -3, clockUncertaintyMs: 4 }),
      ],
    });
    const span = spanOf(trace, "deliver market.>");
    expect(times(span)).toEqual([-20, 90]);
    expect(span.links).toMatchObject([{ spanId: spanIdOf(TRACE_ID, "fanout", "node-a") }]);
    expect(span.attributes).toMatchObject({
      "messaging.client.id": "conn-s",
      "user.id": "bob",
      "tickwire.client.name": "web/1.0",
      "tickwire.outcome": "delivered",
      "tickwire.lat.client_send_ms": 20,
      "tickwire.lat.ingest_ms": 46,
      "tickwire.lat.fanout_ms": 2,
      "tickwire.lat.client_recv_ms": 42,
      "tickwire.clock.offset_ms": -3,
      "tickwire.clock.uncertainty_ms": 4,
    });
    expect(span.attributes).not.toContainAnyKeys(["tickwire.clock.clamped"]);
  });

  test("that was dropped is an error and ends where it was given up", () => {
    const anomaly = { atMs: T0_MS + 49, connection: "conn-s", outcome: "slow", queuedBytes: 9e6 };
    const trace = traceOf({
      reason: "drop",
      fanOut: fanOutOf({ dropped: 1, anomalies: [{ ...anomaly, outcome: "slow" }] }),
      deliveries: [
        deliveryOf({
          outcome: "dropped",
          dropReason: "slow",
          handedOverMs: 0,
          queuedBytes: 9_000_000,
        }),
      ],
    });
    const span = spanOf(trace, "deliver market.>");
    expect([span.error, times(span)]).toEqual(["slow", [0, 49]]);
    expect(span.attributes).toMatchObject({
      "error.type": "slow",
      "tickwire.outcome": "dropped",
      "tickwire.drop.reason": "slow",
      "tickwire.outbound.queued_bytes": 9_000_000,
      "tickwire.sample.reason": "drop",
    });
  });

  test("that came late is told apart from the one told before, and is no error", () => {
    const late = deliveryOf({ outcome: "late", handedOverMs: T0_MS + 900, queuedBytes: 4096 });
    const trace = traceOf({ reason: "slow", fanOut: fanOutOf(), deliveries: [deliveryOf(), late] });
    const [first, second] = spansOf(trace).filter(({ name }) => name === "deliver market.>");
    expect(first?.context.spanId).not.toBe(second?.context.spanId);
    expect([second?.error, second?.attributes["tickwire.outcome"]]).toEqual([null, "late"]);
    // 46 to the loop, 4 in it, and then in the queue.
    expect(second?.attributes["tickwire.lat.socket_ms"]).toBe(850);
  });

  test("whose receipt was moved says so", () => {
    const delivery = deliveryOf({ receivedMs: T0_MS + 48, isClamped: true });
    const span = spanOf(traceOf({ deliveries: [delivery] }), "deliver market.>");
    expect(span.attributes).toMatchObject({
      "tickwire.clock.clamped": true,
      "tickwire.lat.client_recv_ms": 0,
    });
  });

  test("is told of 16 subscribers at most", () => {
    const deliveries = Array.from({ length: 50 }, (_, i) => deliveryOf({ connection: `c${i}` }));
    const spans = spansOf(traceOf({ deliveries }));
    expect(spans.filter(({ name }) => name.startsWith("deliver"))).toHaveLength(16);
  });
});

describe("what was read from history, which does not tell who sent it", () => {
  const healed = {
    node: "node-b",
    ingest: null,
    busReceive: busReceiveOf({ fromNode: "", isHealed: true }),
    fanOut: fanOutOf(),
    deliveries: [deliveryOf()],
  };

  test("hangs below the span whose id it brought along", () => {
    const spanId = spanIdOf(TRACE_ID, "ingest", "node-a");
    const origin = { spanId, receivedMs: T0_MS, txQueueMs: 0, txRunMs: 0 };
    const trace = traceOf({ ...healed, origin });
    expect(spanOf(trace, "bus.receive 17").parent?.spanId).toBe(spanId);
    expect(spanOf(trace, "deliver market.>").parent?.spanId).toBe(spanId);
    expect(times(spanOf(trace, "deliver market.>"))).toEqual([0, 48]);
    expect(spanOf(trace, "bus.receive 17").attributes).not.toContainKey("tickwire.bus.from_node");
  });

  test("is a tree of its own where it brought none", () => {
    const trace = traceOf(healed);
    const receive = spanOf(trace, "bus.receive 17");
    expect(receive.parent).toBeNull();
    expect(spanOf(trace, "deliver market.>").parent?.spanId).toBe(receive.context.spanId);
  });
});
