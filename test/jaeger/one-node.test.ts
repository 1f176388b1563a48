import { describe, expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import { startTraceBackend } from "../support/otlp/trace-backend.ts";
import {
  hasSpans,
  orphansOf,
  spanNamed,
  startTracedBroker,
  TracedSubscriber,
} from "../support/otlp/traced-broker.ts";

const SAMPLED = [{ pattern: "market.>", traceRate: 1 }];

test("a publication is found in Jaeger, from the publisher's socket to the subscriber's", async () => {
  await using backend = startTraceBackend();
  const { query, service } = backend;
  await using broker = await startTracedBroker(backend, { namespaces: SAMPLED });
  await using subscriber = await TracedSubscriber.start(broker.url, "market.btc", { name: "desk" });
  await using publisher = new TickwireClient(broker.url);
  const { offset, epoch } = await publisher.publish("market.btc", { price: 1 });
  await subscriber.count(1);

  const found = await query.until(
    (jaeger) => jaeger.find({ service, operation: "deliver market.>" }),
    (traces) => traces.size > 0,
  );
  const [[traceId, spans] = ["", []]] = [...found];
  const ingest = spanNamed(spans, "ingest market.>");
  const fanOut = spanNamed(spans, "fanout market.>");
  const deliver = spanNamed(spans, "deliver market.>");
  expect(spans).toHaveLength(3);

  expect([ingest.kind, ingest.parentSpanId]).toEqual(["server", null]);
  expect(ingest.attributes).toMatchObject({
    "messaging.system": "tickwire",
    "messaging.destination.name": "market.btc",
    "messaging.destination.template": "market.>",
    "messaging.message.id": `${epoch}:${offset}`,
    "tickwire.sample.reason": "head",
  });
  expect([fanOut.kind, fanOut.parentSpanId]).toEqual(["internal", ingest.spanId]);
  expect(fanOut.attributes).toMatchObject({
    "tickwire.fanout.subscribers": 1,
    "tickwire.fanout.delivered": 1,
    "tickwire.fanout.dropped": 0,
  });
  expect([deliver.kind, deliver.parentSpanId]).toEqual(["internal", ingest.spanId]);
  expect(deliver.links).toEqual([{ traceId, spanId: fanOut.spanId }]);
  expect(deliver.attributes).toMatchObject({
    "tickwire.client.name": "desk",
    "tickwire.outcome": "delivered",
  });
  // Its duration is what its parts say.
  const parts = Object.entries(deliver.attributes).filter(([name]) =>
    name.startsWith("tickwire.lat."),
  );
  const sumMs = parts.reduce((sum, [, ms]) => sum + Number(ms), 0);
  expect(parts.length).toBeGreaterThanOrEqual(2);
  expect(sumMs).toBeCloseTo(deliver.durationMs, 1);
  expect(deliver.startMs).toBe(ingest.startMs);

  // The subscriber was told the same trace, and can go on with it.
  const traceparent = subscriber.publications[0]?.meta?.traceparent;
  expect(traceparent).toBe(`00-${traceId}-${ingest.spanId}-01`);
  expect(await query.trace(traceId)).toHaveLength(3);
});

test("services and operations are there to choose from", async () => {
  await using backend = startTraceBackend();
  const { query, service } = backend;
  await using broker = await startTracedBroker(backend, { namespaces: SAMPLED });
  await using subscriber = await TracedSubscriber.start(broker.url, "market.btc");
  await using publisher = new TickwireClient(broker.url);
  await publisher.publish("market.btc", 1);
  await subscriber.count(1);
  const wanted = ["deliver market.>", "fanout market.>", "ingest market.>"];
  const operations = await query.until(
    (jaeger) => jaeger.operations(service),
    (names) => names.length >= wanted.length,
  );
  expect(operations.toSorted()).toEqual(wanted);
  expect(await query.services()).toContain(service);
  expect(await query.operations(service, "server")).toEqual(["ingest market.>"]);
});

test("a wide fan-out is one trace of few spans", async () => {
  const subscribers = 60;
  await using backend = startTraceBackend();
  await using broker = await startTracedBroker(backend, { namespaces: SAMPLED });
  await using made = new AsyncDisposableStack();
  const all = await Promise.all(
    Array.from({ length: subscribers }, () => TracedSubscriber.start(broker.url, "market.btc")),
  );
  for (const one of all) made.use(one);
  await using publisher = new TickwireClient(broker.url);
  await publisher.publish("market.btc", 1);
  await Promise.all(all.map((one) => one.count(1)));
  const { query, service } = backend;
  const found = await query.until(
    (jaeger) => jaeger.find({ service, operation: "fanout market.>" }),
    (traces) => [...traces.values()].some((spans) => hasSpans(spans, "deliver market.>")),
  );
  const [spans = []] = [...found.values()];
  const fanOut = spanNamed(spans, "fanout market.>");
  expect(fanOut.attributes).toMatchObject({
    "tickwire.fanout.subscribers": subscribers,
    "tickwire.fanout.delivered": subscribers,
  });
  expect(spans.filter(({ name }) => name === "deliver market.>").length).toBeLessThanOrEqual(16);
  expect(found.size).toBe(1);
});

describe("what is not sampled", () => {
  test("leaves no trace", async () => {
    await using backend = startTraceBackend();
    const namespaces = [{ pattern: "quiet.>", traceRate: 0, slowMs: 0 }, ...SAMPLED];
    await using broker = await startTracedBroker(backend, { namespaces });
    await using subscriber = await TracedSubscriber.start(broker.url, "quiet.a");
    await using publisher = new TickwireClient(broker.url);
    for (let i = 0; i < 200; i++) await publisher.publish("quiet.a", i);
    await subscriber.count(200);
    // One that is sampled, behind all the others, is the only one to arrive.
    await publisher.publish("market.btc", 1);
    broker.kill();
    expect(await broker.exited).toBe(0);
    const { query, service } = backend;
    const found = await query.until(
      (jaeger) => jaeger.find({ service }),
      (traces) => traces.size > 0,
    );
    const channels = [...found.values()].flat().map(({ attributes }) => {
      return attributes["messaging.destination.name"];
    });
    expect(new Set(channels)).toEqual(new Set(["market.btc"]));
    expect(subscriber.publications.filter(({ meta }) => meta?.traceparent != null)).toEqual([]);
  });

  test("is as many as the rate says, on average", async () => {
    await using backend = startTraceBackend();
    const namespaces = [{ pattern: "market.>", traceRate: 0.1, slowMs: 0 }];
    await using broker = await startTracedBroker(backend, { namespaces });
    await using publisher = new TickwireClient(broker.url);
    for (let i = 0; i < 100; i++) {
      await Promise.all(Array.from({ length: 10 }, () => publisher.publish("market.btc", i)));
    }
    const metrics = await (await fetch(`${broker.httpUrl}/metrics`)).text();
    const [, count] = /^tickwire_traces_total\{reason="head"\} (\d+)$/m.exec(metrics) ?? [];
    // 100 expected; the jitter is bounded, so this is no matter of luck.
    expect(Number(count)).toBeGreaterThanOrEqual(50);
    expect(Number(count)).toBeLessThanOrEqual(200);
    const { query, service } = backend;
    const found = await query.until(
      (jaeger) => jaeger.find({ service, searchDepth: 1000 }),
      (traces) => traces.size >= Number(count),
    );
    expect(found.size).toBe(Number(count));
  });
});

function newTraceId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

describe("a context of the publisher's", () => {
  const parentId = "b7ad6b7169203331";

  test("is gone on with when the publisher is trusted", async () => {
    await using backend = startTraceBackend();
    await using broker = await startTracedBroker(backend);
    await using subscriber = await TracedSubscriber.start(broker.url, "orders.1");
    const id = newTraceId();
    // Without a key, the server API trusts this machine.
    const response = await fetch(`${broker.httpUrl}/v1/publish`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        traceparent: `00-${id}-${parentId}-01`,
        tracestate: "vendor=abc",
      },
      body: JSON.stringify({ channel: "orders.1", payload: "1" }),
    });
    expect(response.status).toBe(200);
    await subscriber.count(1);
    const spans = await backend.query.until(
      (jaeger) => jaeger.trace(id),
      (all) => hasSpans(all, "ingest >", "deliver >"),
    );
    const ingest = spanNamed(spans, "ingest >");
    expect(ingest.parentSpanId).toBe(parentId);
    expect(ingest.attributes["tickwire.sample.reason"]).toBe("upstream");
    expect(orphansOf(spans)).toEqual(["ingest >"]);
    const meta = subscriber.publications[0]?.meta;
    expect(meta?.traceparent).toBe(`00-${id}-${ingest.spanId}-01`);
    expect(meta?.tracestate).toContain("vendor=abc");
  });

  test("is handed on, and only linked to, when the publisher is not", async () => {
    await using backend = startTraceBackend();
    const namespaces = [{ pattern: "orders.>", traceRate: 1 }];
    await using broker = await startTracedBroker(backend, { namespaces });
    await using subscriber = await TracedSubscriber.start(broker.url, "orders.1");
    await using publisher = new TickwireClient(broker.url);
    const id = newTraceId();
    const traceparent = `00-${id}-${parentId}-01`;
    await publisher.publish("orders.1", 1, { traceparent });
    await subscriber.count(1);
    const { query, service } = backend;
    const found = await query.until(
      (jaeger) => jaeger.find({ service, operation: "ingest orders.>" }),
      (traces) => traces.size > 0,
    );
    const [[ownId, spans] = ["", []]] = [...found];
    expect(ownId).not.toBe(id);
    const ingest = spanNamed(spans, "ingest orders.>");
    expect([ingest.parentSpanId, ingest.links]).toEqual([
      null,
      [{ traceId: id, spanId: parentId }],
    ]);
    expect(subscriber.publications[0]?.meta?.traceparent).toBe(traceparent);
    expect(await query.trace(id)).toEqual([]);
  });

  test.each(["00-xyz-1-01", `00-${"0".repeat(32)}-${parentId}-01`, "ff-" + "a".repeat(52)])(
    "that is malformed is no context: %s",
    async (traceparent) => {
      await using backend = startTraceBackend();
      const namespaces = [{ pattern: "orders.>", traceRate: 1 }];
      await using broker = await startTracedBroker(backend, { namespaces });
      await using publisher = new TickwireClient(broker.url);
      await publisher.publish("orders.1", 1, { traceparent });
      const { query, service } = backend;
      const found = await query.until(
        (jaeger) => jaeger.find({ service, operation: "ingest orders.>" }),
        (traces) => traces.size > 0,
      );
      const [spans = []] = [...found.values()];
      const ingest = spanNamed(spans, "ingest orders.>");
      expect([ingest.parentSpanId, ingest.links]).toEqual([null, []]);
    },
  );
});
