import { describe, expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import { parseOpenMetrics } from "../support/openmetrics-parser.ts";
import { OtlpReceiver } from "../support/otlp/otlp-receiver.ts";
import { hasRealJaeger, startTraceBackend } from "../support/otlp/trace-backend.ts";
import { hasSpans, startTracedBroker, TracedSubscriber } from "../support/otlp/traced-broker.ts";

const NAMESPACES = [{ pattern: "market.>", traceRate: 1 }];

async function metricOf(httpUrl: string, name: string): Promise<number> {
  const metrics = await (await fetch(`${httpUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1]);
}

/** A collector in trouble cannot be asked of a real Jaeger. */
describe.skipIf(hasRealJaeger())("a collector in trouble (needs the test's own receiver)", () => {
  const COUNT = 300;

  /** Publishes and counts what arrives, while the collector does not work. */
  async function runWith(endpoint: string, counter: string): Promise<string> {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_METRICS_EXPORTER: "none",
      OTEL_BSP_SCHEDULE_DELAY: "10",
      OTEL_BSP_MAX_QUEUE_SIZE: "200",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "50",
      OTEL_EXPORTER_OTLP_TIMEOUT: "100",
    };
    await using broker = await startTracedBroker(
      { env },
      { namespaces: NAMESPACES, args: ["--traces-per-second", "1000"] },
    );
    await using subscriber = await TracedSubscriber.start(broker.url, "market.btc");
    await using publisher = new TickwireClient(broker.url);
    for (let i = 0; i < COUNT; i++) await publisher.publish("market.btc", i);
    await subscriber.count(COUNT);
    expect(subscriber.publications.map(({ offset }) => offset)).toEqual(
      Array.from({ length: COUNT }, (_, i) => i + 1),
    );
    while ((await metricOf(broker.httpUrl, counter)) === 0) {
      await publisher.publish("market.btc", 0);
    }
    expect(await metricOf(broker.httpUrl, "tickwire_spans_waiting")).toBeLessThanOrEqual(200);
    expect(await metricOf(broker.httpUrl, "tickwire_spans_exported_total")).toBe(0);
    broker.kill();
    expect(await broker.exited).toBe(0);
    expect(broker.stderr).toBe("");
    return broker.log;
  }

  test("that is not there: everything is delivered, and spans fail by count", async () => {
    const gone = new OtlpReceiver();
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    const log = await runWith(url, "tickwire_spans_failed_total");
    expect(log.match(/"event":"telemetry_export_failed"/g)).toHaveLength(1);
  });

  test("that answers 500", async () => {
    await using receiver = new OtlpReceiver();
    receiver.behaviour = { type: "refuse", status: 500 };
    const log = await runWith(receiver.url, "tickwire_spans_failed_total");
    expect(log.match(/"event":"telemetry_export_failed"/g)).toHaveLength(1);
  });

  test("that never answers: spans are dropped by count, and the broker ends all the same", async () => {
    await using receiver = new OtlpReceiver();
    receiver.behaviour = { type: "hang" };
    await runWith(receiver.url, "tickwire_spans_dropped_total");
  });
});

test("without the variables nothing is exported, nor traced for its own sake", async () => {
  await using backend = startTraceBackend();
  await using broker = await startTracedBroker({ env: {} }, { namespaces: NAMESPACES });
  await using subscriber = await TracedSubscriber.start(broker.url, "market.btc");
  await using publisher = new TickwireClient(broker.url);
  await publisher.publish("market.btc", 1);
  await subscriber.count(1);
  expect(subscriber.publications[0]?.meta?.traceparent ?? null).toBeNull();
  expect(broker.log).not.toContain("telemetry");
  expect(await metricOf(broker.httpUrl, 'tickwire_traces_total\\{reason="head"\\}')).toBe(0);
  expect(await backend.query.find({ service: backend.service })).toEqual(new Map());
});

test("what waits is exported when the broker ends", async () => {
  await using backend = startTraceBackend();
  const env = { OTEL_BSP_SCHEDULE_DELAY: "3600000" };
  await using broker = await startTracedBroker(backend, { namespaces: NAMESPACES, env });
  await using publisher = new TickwireClient(broker.url);
  await publisher.publish("market.btc", 1);
  broker.kill();
  expect(await broker.exited).toBe(0);
  const { query, service } = backend;
  const found = await query.until(
    (jaeger) => jaeger.find({ service }),
    (traces) => traces.size > 0,
  );
  expect([...found.values()].flat().map(({ name }) => name)).toContain("ingest market.>");
});

test("an exemplar of the metrics leads to a trace", async () => {
  await using backend = startTraceBackend();
  await using broker = await startTracedBroker(backend, { namespaces: NAMESPACES });
  await using subscriber = await TracedSubscriber.start(broker.url, "market.btc");
  await using publisher = new TickwireClient(broker.url);
  await publisher.publish("market.btc", 1);
  await subscriber.count(1);
  const headers = { accept: "application/openmetrics-text; version=1.0.0" };
  const response = await fetch(`${broker.httpUrl}/metrics`, { headers });
  const { exemplars } = parseOpenMetrics(await response.text());
  const names = exemplars.map(({ bucket }) => bucket.replace(/_bucket.*/, ""));
  expect(new Set(names)).toContain("tickwire_delivery_duration_seconds");
  for (const { labels } of exemplars) {
    const spans = await backend.query.until(
      (jaeger) => jaeger.trace(labels["trace_id"] ?? ""),
      (all) => all.some(({ spanId }) => spanId === labels["span_id"]),
    );
    expect(hasSpans(spans, "ingest market.>")).toBe(true);
  }
});
