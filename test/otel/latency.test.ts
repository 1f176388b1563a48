import { describe, expect, test } from "bun:test";

import { LATENCY_STAGES } from "../../otel/attributes.ts";
import type { DeliveryTrace } from "../../otel/delivery-trace.ts";
import { latencyOf } from "../../otel/latency.ts";
import {
  busReceiveOf,
  busSendOf,
  deliveryOf,
  fanOutOf,
  ingestOf,
  T0_MS,
  traceOf,
  transformOf,
} from "../support/delivery-trace.ts";
import { announceSeed, Random } from "../support/random.ts";

function stagesOf(parts: Partial<DeliveryTrace>): Record<string, number> {
  const trace = traceOf(parts);
  return Object.fromEntries(latencyOf(trace, trace.deliveries[0] ?? deliveryOf()).stages);
}

test("with everything in the way, each part has its own time", () => {
  const parts = {
    ingest: ingestOf({ clientSentMs: T0_MS - 5 }),
    transform: transformOf(),
    busSend: busSendOf(),
    busReceive: busReceiveOf(),
    fanOut: fanOutOf(),
    deliveries: [deliveryOf({ handedOverMs: T0_MS + 75, receivedMs: T0_MS + 80 })],
  };
  expect(stagesOf(parts)).toEqual({
    client_send: 5,
    // 1 before the transform and 4 after it.
    ingest: 5,
    tx_queue: 30,
    tx_run: 5,
    bus_queue: 2,
    bus: 2,
    // From the arrival: the wait for the loop, and the loop.
    fanout: 6,
    socket: 25,
    client_recv: 5,
  });
});

test("a node that only received it begins with the batch", () => {
  const parts = {
    ingest: null,
    busReceive: busReceiveOf(),
    fanOut: fanOutOf(),
    deliveries: [deliveryOf()],
  };
  expect(stagesOf(parts)).toEqual({ bus_queue: 2, bus: 2, fanout: 4 });
});

describe("a node that was told when it was published", () => {
  const origin = {
    spanId: "b".repeat(16),
    receivedMs: T0_MS,
    clientSentMs: 0,
    txQueueMs: 30,
    txRunMs: 5,
  };
  const there = {
    ingest: null,
    origin,
    busReceive: busReceiveOf(),
    fanOut: fanOutOf(),
    deliveries: [deliveryOf()],
  };

  test("begins with that, and knows what transforms took", () => {
    expect(stagesOf(there)).toEqual({
      ingest: 5,
      tx_queue: 30,
      tx_run: 5,
      bus_queue: 2,
      bus: 2,
      fanout: 4,
    });
    expect(latencyOf(traceOf(there), deliveryOf())).toMatchObject({
      startMs: T0_MS,
      endMs: T0_MS + 48,
      hasNegative: false,
    });
  });

  test("begins with the client where that was told, and not where another version did not tell it", () => {
    const sent = { ...there, origin: { ...origin, clientSentMs: T0_MS - 7 } };
    expect(stagesOf(sent)).toEqual({ client_send: 7, ...stagesOf(there) });
    expect(latencyOf(traceOf(sent), deliveryOf())).toMatchObject({
      startMs: T0_MS - 7,
      endMs: T0_MS + 48,
      hasNegative: false,
    });
    const { clientSentMs: _untold, ...older } = origin;
    const answer = JSON.stringify({ ...there, origin: older });
    expect(stagesOf(JSON.parse(answer) as typeof there)).toEqual(stagesOf(there));
  });

  test("has no transforms where there were none", () => {
    const plain = { ...there, origin: { ...origin, txQueueMs: 0, txRunMs: 0 } };
    expect(stagesOf(plain)).toEqual({ ingest: 40, bus_queue: 2, bus: 2, fanout: 4 });
  });

  test("does not begin with a batch that was open before", () => {
    const trace = { ...there, busReceive: busReceiveOf({ openedMs: T0_MS - 20 }) };
    expect(stagesOf(trace)).toMatchObject({ ingest: 0, tx_run: 5, bus_queue: 7, bus: 2 });
    expect(latencyOf(traceOf(trace), deliveryOf())).toMatchObject({
      startMs: T0_MS,
      hasNegative: false,
    });
  });

  test("gives to the bus what history does not tell", () => {
    const atMs = T0_MS + 20;
    const busReceive = busReceiveOf({ isHealed: true, openedMs: atMs, sentMs: atMs });
    expect(stagesOf({ ...there, busReceive })).toEqual({
      ingest: 0,
      tx_queue: 30,
      tx_run: 5,
      bus: 9,
      fanout: 4,
    });
    expect(latencyOf(traceOf({ ...there, busReceive }), deliveryOf()).hasNegative).toBe(false);
  });

  test("begins with the batch when the time was not to be read", () => {
    const unread = { ...there, origin: { ...origin, receivedMs: 0 } };
    expect(stagesOf(unread)).toEqual({ bus_queue: 2, bus: 2, fanout: 4 });
  });
});

test("one that was handed over within the loop did not wait for its socket", () => {
  const parts = { fanOut: fanOutOf(), deliveries: [deliveryOf({ handedOverMs: T0_MS + 50 })] };
  expect(stagesOf(parts)).toEqual({ ingest: 46, fanout: 4 });
});

test("a stamp that is missing gives its time to the stage before", () => {
  const transform = transformOf({ startedMs: 0 });
  expect(stagesOf({ transform, fanOut: fanOutOf(), deliveries: [deliveryOf()] })).toEqual({
    ingest: 11,
    tx_queue: 35,
    fanout: 2,
  });
});

describe("whatever the stamps", () => {
  const random = new Random(announceSeed("latency"));
  const stamp = (): number => (random.chance(0.2) ? 0 : T0_MS + random.below(100));

  test("the parts add up to the whole, none is negative, and clocks that disagree show", () => {
    for (let round = 0; round < 2000; round++) {
      const trace = traceOf({
        ingest: random.chance(0.3)
          ? null
          : ingestOf({ receivedMs: stamp(), clientSentMs: stamp() }),
        origin: random.chance(0.3)
          ? null
          : {
              spanId: null,
              receivedMs: stamp(),
              clientSentMs: stamp(),
              txQueueMs: random.below(30),
              txRunMs: random.below(30),
            },
        transform: random.chance(0.5)
          ? null
          : transformOf({ enteredMs: stamp(), startedMs: stamp(), endedMs: stamp() }),
        busSend: random.chance(0.5) ? null : busSendOf({ queuedMs: stamp(), sentMs: stamp() }),
        busReceive: random.chance(0.5)
          ? null
          : busReceiveOf({ openedMs: stamp(), sentMs: stamp(), receivedMs: stamp() }),
        fanOut: random.chance(0.5) ? null : fanOutOf({ startedMs: stamp(), endedMs: stamp() }),
      });
      const delivery = deliveryOf({ handedOverMs: stamp(), receivedMs: stamp() });
      const { startMs, endMs, stages, hasNegative } = latencyOf(trace, delivery);
      const values = [...stages.values()];
      const sumMs = values.reduce((sum, ms) => sum + ms, 0);
      expect(sumMs).toBeCloseTo(endMs - startMs, 6);
      expect(Math.min(0, ...values)).toBe(0);
      expect([...stages.keys()].filter((stage) => !LATENCY_STAGES.includes(stage))).toEqual([]);
      const sorted = [
        trace.ingest?.clientSentMs,
        trace.ingest?.receivedMs,
        trace.transform?.enteredMs,
        trace.transform?.startedMs,
        trace.transform?.endedMs,
      ].filter((ms) => ms !== undefined && ms > 0);
      if (sorted.some((ms, i) => i > 0 && (ms ?? 0) < (sorted[i - 1] ?? 0)))
        expect([round, hasNegative]).toEqual([round, true]);
    }
  });
});
