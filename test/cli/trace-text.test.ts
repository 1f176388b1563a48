import { describe, expect, test } from "bun:test";

import { findCulprit } from "../../cli/trace/culprit.ts";
import { spansOfParts } from "../../cli/trace/trace-span.ts";
import type { TraceSpan } from "../../cli/trace/trace-span.ts";
import { traceText } from "../../cli/trace/trace-text.ts";
import type { DeliveryTrace } from "../../otel/delivery-trace.ts";
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

/** A publication that goes through a transform and over Redis to another node: what both tell of it. */
const HERE = traceOf({ transform: transformOf(), busSend: busSendOf() });
const THERE = traceOf({
  node: "node-b",
  ingest: null,
  origin: { spanId: null, receivedMs: T0_MS, clientSentMs: 0, txQueueMs: 30, txRunMs: 5 },
  busReceive: busReceiveOf(),
  fanOut: fanOutOf(),
  deliveries: [deliveryOf({ handedOverMs: T0_MS + 50 })],
});

/** The other node's part of one that its client published so long before it came in. */
function sentBefore(tookMs: number): DeliveryTrace {
  const { origin } = THERE;
  return traceOf({ ...THERE, origin: origin && { ...origin, clientSentMs: T0_MS - tookMs } });
}

/** Its tree, without the columns behind the names. */
function tree(...parts: readonly DeliveryTrace[]): string[] {
  const text = traceText(TRACE_ID, spansOfParts(parts));
  const [, , , ...lines] = text.split("\n");
  return lines.slice(0, lines.indexOf("")).map((line) => line.replace(/ {2,}node-.*$/, ""));
}

function blamed(...parts: readonly DeliveryTrace[]) {
  const culprit = findCulprit(spansOfParts(parts));
  return culprit === null ? null : [culprit.span.name, culprit.evidence.attribute, culprit.text];
}

describe("the tree of a trace", () => {
  test("has the spans of both nodes, each below its parent", () => {
    expect(tree(HERE, THERE)).toEqual([
      "ingest market.>",
      "├─ transform enrich",
      "│  └─ transform.run enrich",
      "├─ bus.publish 17",
      "│  └─ bus.receive 17",
      "│     └─ fanout market.>",
      "└─ deliver market.> (web/1.0, delivered)",
    ]);
  });

  test("shows what hangs below a span nobody told of", () => {
    expect(tree(THERE)).toEqual([
      "bus.receive 17",
      "└─ fanout market.>",
      "deliver market.> (web/1.0, delivered)",
    ]);
  });

  test("has a row for the publisher where deliveries tell of it, and blames it", () => {
    const ingest = ingestOf({ clientSentMs: T0_MS - 80 });
    const lines = traceText(TRACE_ID, spansOfParts([{ ...HERE, ingest }, sentBefore(80)])).split(
      "\n",
    );
    expect(lines[3]).toMatch(/^from the publisher +0 ms +80 ms +▪{12} +<- here$/);
    expect(lines.slice(-2)).toEqual([
      "80 ms of 130 ms were spent on the way from the publisher to the broker.",
      'The span "deliver market.>" says so: tickwire.lat.client_send_ms = 80',
    ]);
  });

  test("has no such row where the publisher has a span of its own", () => {
    const spans = spansOfParts([HERE, sentBefore(80)]);
    const publish: TraceSpan = {
      node: "shop",
      name: "publish market.btc",
      spanId: "c".repeat(16),
      parentSpanId: null,
      startMs: T0_MS - 81,
      endMs: T0_MS + 60,
      attributes: { "messaging.operation.name": "publish" },
      error: null,
      errorMessage: null,
    };
    const text = traceText(TRACE_ID, [...spans, publish]);
    expect(text).not.toMatch(/^from the publisher /m);
    expect(text).toMatch(/^publish market\.btc +shop .* <- here$/m);
  });

  test("has a span once that was told twice, and then more was known of it", () => {
    const later = { ...THERE, fanOut: fanOutOf({ endedMs: T0_MS + 90 }) };
    const spans = spansOfParts([THERE, later, THERE]);
    expect(spans).toHaveLength(3);
    expect(spans.find(({ name }) => name.startsWith("fanout"))?.endMs).toBe(T0_MS + 90);
  });

  test("tells when each span was, and what is to blame", () => {
    const lines = traceText(TRACE_ID, spansOfParts([HERE, THERE])).split("\n");
    expect(lines[0]).toBe(
      `trace ${TRACE_ID} of market.btc at ${new Date(T0_MS).toISOString()} (head)`,
    );
    expect(lines[4]).toMatch(/^├─ transform enrich +node-a +1\.0 ms +35 ms +▪{14} +<- here$/);
    expect(lines.slice(-2)).toEqual([
      "30 ms of 50 ms were spent waiting for a worker of the transform.",
      'The span "transform enrich" says so: tickwire.transform.queue_ms = 30',
    ]);
  });
});

describe("what is to blame", () => {
  const delivery = deliveryOf({ handedOverMs: T0_MS + 300 });

  test.each<[string, Partial<DeliveryTrace>, [string, string]]>([
    [
      "a slow transform",
      { transform: transformOf({ startedMs: T0_MS + 2, endedMs: T0_MS + 290 }) },
      ["transform.run enrich", "tickwire.transform.run_ms"],
    ],
    [
      "a transform that is behind",
      { transform: transformOf({ startedMs: T0_MS + 280, endedMs: T0_MS + 290 }) },
      ["transform enrich", "tickwire.transform.queue_ms"],
    ],
    [
      "a slow Redis",
      {
        busSend: busSendOf({ queuedMs: T0_MS + 1, sentMs: T0_MS + 2, repliedMs: T0_MS + 280 }),
        busReceive: busReceiveOf({ sentMs: T0_MS + 2, receivedMs: T0_MS + 280 }),
      },
      ["bus.receive 17", "tickwire.bus.transit_ms"],
    ],
    [
      "an outbox that is behind",
      {
        busSend: busSendOf({ queuedMs: T0_MS + 1, sentMs: T0_MS + 270 }),
        busReceive: busReceiveOf({ sentMs: T0_MS + 270, receivedMs: T0_MS + 280 }),
      },
      ["bus.publish 17", "tickwire.bus.queue_ms"],
    ],
    [
      "a subscriber that does not read",
      { fanOut: fanOutOf({ startedMs: T0_MS + 1, endedMs: T0_MS + 2 }) },
      ["deliver market.>", "tickwire.lat.socket_ms"],
    ],
    [
      "a page that is busy",
      {
        fanOut: fanOutOf({ startedMs: T0_MS + 1, endedMs: T0_MS + 2 }),
        deliveries: [deliveryOf({ handedOverMs: T0_MS + 2, receivedMs: T0_MS + 300 })],
      },
      ["deliver market.>", "tickwire.lat.client_recv_ms"],
    ],
  ])("is %s", (_what, parts, expected) => {
    const [span, attribute] = blamed(traceOf({ deliveries: [delivery], ...parts })) ?? [];
    expect([span, attribute]).toEqual(expected);
  });

  test("is the transform also where the delivery could not know of it", () => {
    const origin = { spanId: null, receivedMs: T0_MS, clientSentMs: 0, txQueueMs: 0, txRunMs: 0 };
    expect(blamed(HERE, { ...THERE, origin })).toEqual([
      "transform enrich",
      "tickwire.transform.queue_ms",
      "30 ms of 50 ms were spent waiting for a worker of the transform.",
    ]);
  });

  test("is no bus that the delivery did not go over", () => {
    const trace = traceOf({ fanOut: fanOutOf(), deliveries: [deliveryOf()] });
    const sent = traceOf({ busSend: busSendOf({ sentMs: T0_MS + 900, repliedMs: T0_MS + 901 }) });
    expect(blamed(trace, sent)).toEqual(blamed(trace));
  });

  test("is the subscriber who lost it, before whoever was slow", () => {
    const lost = deliveryOf({
      connection: "conn-x",
      outcome: "dropped",
      dropReason: "slow",
      handedOverMs: 0,
      queuedBytes: 262_144,
    });
    const trace = traceOf({ fanOut: fanOutOf(), deliveries: [delivery, lost] });
    expect(blamed(trace)).toEqual([
      "deliver market.>",
      "tickwire.drop.reason",
      "conn-x did not get it: slow, with 256 KiB waiting before it.",
    ]);
  });

  test("is what failed first, in its words", () => {
    const fault = { type: "throw", message: "no such field" };
    const trace = traceOf({
      ingest: ingestOf({ acceptedMs: T0_MS + 40, error: "transform_failed" }),
      transform: transformOf({ fault }),
    });
    expect(blamed(trace)).toEqual([
      "transform.run enrich",
      "error.type",
      "transform.run enrich failed: throw (no such field).",
    ]);
  });

  test("is nothing in a trace of which only the beginning is known", () => {
    expect(blamed(traceOf())).toBeNull();
  });
});
