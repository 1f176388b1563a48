import { describe, expect, test } from "bun:test";

import { spansOf } from "../../otel/span-tree.ts";
import { spanIdOf } from "../../protocol/span-id.ts";
import {
  busReceiveOf,
  deliveryOf,
  fanOutOf,
  ingestOf,
  T0_MS,
  TRACE_ID,
  traceOf,
} from "../support/delivery-trace.ts";
import { spanOf, times } from "../support/spans.ts";

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
    const origin = { spanId, receivedMs: T0_MS, clientSentMs: 0, txQueueMs: 0, txRunMs: 0 };
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
