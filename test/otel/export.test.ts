import { describe, expect, test } from "bun:test";

import { Stats } from "../../broker/stats.ts";
import { INSTRUMENTS } from "../../otel/metrics.ts";
import type { MetricsSnapshot, SpanCounts } from "../../otel/snapshot.ts";
import { processSnapshot } from "../../otel/snapshot.ts";
import { deliveryOf, fanOutOf, TRACE_ID, traceOf } from "../support/delivery-trace.ts";
import { Exporting } from "../support/otlp/exporting.ts";
import { plainAttributes } from "../support/otlp/model.ts";
import { OtlpReceiver } from "../support/otlp/otlp-receiver.ts";

/** ingest, fanout and deliver. */
const SPANS_EACH = 3;

function traceNumber(i: number): ReturnType<typeof traceOf> {
  const traceId = (i + 1).toString(16).padStart(32, "0");
  return traceOf({ traceId, fanOut: fanOutOf(), deliveries: [deliveryOf()] });
}

function tracesOnly(url: string, more: Readonly<Record<string, string>> = {}) {
  return {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces`,
    OTEL_BSP_SCHEDULE_DELAY: "10",
    ...more,
  };
}

/** Exports one trace after the other until the counts are as they should be. */
async function exportUntil(
  exporting: Exporting,
  isEnough: (counts: SpanCounts) => boolean,
): Promise<void> {
  for (let i = 10_000; !isEnough(exporting.telemetry.spans); i++) {
    exporting.sink.trace(traceNumber(i));
    await exporting.telemetry.flush(5000);
  }
}

describe("spans arrive", () => {
  test.each([
    ["as protobuf", {}, "application/x-protobuf", null],
    ["as JSON", { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }, "application/json", null],
    ["in gzip", { OTEL_EXPORTER_OTLP_COMPRESSION: "gzip" }, "application/x-protobuf", "gzip"],
  ] as [string, Record<string, string>, string, string | null][])(
    "%s",
    async (_name, env, contentType, encoding) => {
      await using receiver = new OtlpReceiver();
      const headers = { OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=blue" };
      await using exporting = await Exporting.start(
        tracesOnly(receiver.url, { ...env, ...headers }),
      );
      exporting.sink.trace(traceNumber(0));
      await receiver.until(({ spans }) => spans.length === SPANS_EACH);
      expect(receiver.exports[0]).toMatchObject({ path: "/v1/traces", contentType, encoding });
      expect(receiver.exports[0]?.headers.get("x-tenant")).toBe("blue");
      expect(receiver.malformed).toEqual([]);
      const [ingest] = receiver.spans;
      expect(ingest).toMatchObject({ name: "ingest market.>", kind: 2 });
      expect(ingest?.startTimeUnixNano).toBe("1800000000000000000");
    },
  );

  test("with what the resource is", async () => {
    await using receiver = new OtlpReceiver();
    await using exporting = await Exporting.start(
      tracesOnly(receiver.url, {
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test,service.name=ignored",
        OTEL_SERVICE_NAME: "shop-broker",
      }),
    );
    exporting.sink.trace(traceNumber(0));
    await receiver.until(({ spans }) => spans.length === SPANS_EACH);
    const [batch] = receiver.store.trace(traceNumber(0).traceId);
    const resource = plainAttributes(batch?.resource?.attributes);
    expect(resource).toMatchObject({
      "service.name": "shop-broker",
      "service.version": "1.2.3",
      "service.instance.id": "node-a",
      "tickwire.node.id": "node-a",
      "deployment.environment.name": "test",
      "host.name": expect.any(String),
      "telemetry.sdk.name": "opentelemetry",
    });
    // The command line may hold a secret.
    expect(Object.keys(resource).filter((name) => name.startsWith("process.command"))).toEqual([]);
  });

  test("each stage once, however often it is told", async () => {
    await using receiver = new OtlpReceiver();
    await using exporting = await Exporting.start(tracesOnly(receiver.url));
    exporting.sink.trace(traceNumber(0));
    exporting.sink.trace(traceNumber(0));
    const late = deliveryOf({ outcome: "late" });
    exporting.sink.trace({ ...traceNumber(0), deliveries: [deliveryOf(), late] });
    expect(await exporting.telemetry.flush(5000)).toBe(true);
    const ids = receiver.spans.map(({ spanId }) => spanId);
    expect([ids.length, new Set(ids).size]).toEqual([SPANS_EACH + 1, SPANS_EACH + 1]);
  });

  test("what waits when it ends is exported first", async () => {
    await using receiver = new OtlpReceiver();
    const env = tracesOnly(receiver.url, { OTEL_BSP_SCHEDULE_DELAY: "3600000" });
    await using exporting = await Exporting.start(env);
    for (let i = 0; i < 300; i++) exporting.sink.trace(traceNumber(i));
    expect(await exporting.telemetry.shutdown(5000)).toBe(true);
    expect(receiver.spans).toHaveLength(300 * SPANS_EACH);
    expect(exporting.telemetry.spans).toEqual({
      exported: 300 * SPANS_EACH,
      failed: 0,
      dropped: 0,
      waiting: 0,
    });
    exporting.sink.trace(traceNumber(1000));
    expect(exporting.telemetry.spans).toMatchObject({ waiting: 0, dropped: SPANS_EACH });
  });
});

describe("a collector", () => {
  test("that hangs: spans wait up to the bound, the rest is dropped whole and counted", async () => {
    await using receiver = new OtlpReceiver();
    receiver.behaviour = { type: "hang" };
    const env = tracesOnly(receiver.url, { OTEL_BSP_MAX_QUEUE_SIZE: "100" });
    await using exporting = await Exporting.start(env);
    for (let i = 0; i < 1000; i++) exporting.sink.trace(traceNumber(i));
    await receiver.until(({ exports }) => exports.length > 0);
    for (let i = 1000; i < 2000; i++) exporting.sink.trace(traceNumber(i));
    // 33 whole traces.
    expect(exporting.telemetry.spans).toEqual({
      exported: 0,
      failed: 0,
      dropped: 2000 * SPANS_EACH - 99,
      waiting: 99,
    });
    // And its end is not waited for.
    expect(await exporting.telemetry.shutdown(50)).toBe(false);
  });

  test.each([500, 400, 404])(
    "that answers %d: spans fail, and that is told once",
    async (status) => {
      await using receiver = new OtlpReceiver();
      receiver.behaviour = { type: "refuse", status };
      await using exporting = await Exporting.start(tracesOnly(receiver.url));
      const { telemetry, logger } = exporting;
      for (let i = 0; i < 20; i++) {
        exporting.sink.trace(traceNumber(i));
        await telemetry.flush(5000);
      }
      expect(telemetry.spans).toEqual({
        exported: 0,
        failed: 20 * SPANS_EACH,
        dropped: 0,
        waiting: 0,
      });
      expect(logger.entries.filter(({ level }) => level !== "debug")).toMatchObject([
        { level: "info", event: "telemetry_started" },
        { level: "warn", event: "telemetry_export_failed", fields: { signal: "traces" } },
      ]);
      receiver.behaviour = { type: "take" };
      await exportUntil(exporting, ({ exported }) => exported > 0);
      expect(logger.events()).toContain("telemetry_export_recovered");
    },
  );

  test("that is overloaded is asked again, and nothing is lost", async () => {
    await using receiver = new OtlpReceiver();
    receiver.behaviour = { type: "refuse", status: 503 };
    await using exporting = await Exporting.start(tracesOnly(receiver.url));
    exporting.sink.trace(traceNumber(0));
    await receiver.until(({ exports }) => exports.length === 1);
    receiver.behaviour = { type: "take" };
    await receiver.until(({ spans }) => spans.length === SPANS_EACH);
    expect(receiver.exports).toHaveLength(2);
  });

  test("that is not there harms nothing, and is found when it comes", async () => {
    const placeholder = new OtlpReceiver();
    const { port } = placeholder;
    await placeholder[Symbol.asyncDispose]();
    const url = `http://127.0.0.1:${port}`;
    const env = tracesOnly(url, { OTEL_EXPORTER_OTLP_TIMEOUT: "50" });
    await using exporting = await Exporting.start(env);
    const { telemetry } = exporting;
    await exportUntil(exporting, ({ failed }) => failed > 0);
    await using receiver = new OtlpReceiver(port);
    await exportUntil(exporting, ({ exported }) => exported > 0);
    expect(receiver.spans).toHaveLength(telemetry.spans.exported);
    expect(telemetry.spans).toMatchObject({ dropped: 0, waiting: 0 });
  });
});

function snapshot(): MetricsSnapshot {
  const stats = new Stats();
  stats.deliveries = 12;
  stats.dropped("slow", 3);
  stats.deliveryDuration.record(0.2, 4);
  stats.deliveryDuration.record(1e6);
  return { stats, shards: [], process: processSnapshot("1.2.3") };
}

function metricsOnly(url: string): Record<string, string> {
  return {
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${url}/v1/metrics`,
    OTEL_METRIC_EXPORT_INTERVAL: "3600000",
  };
}

describe("metrics", () => {
  test("arrive under the names they have in /metrics", async () => {
    await using receiver = new OtlpReceiver();
    await using exporting = await Exporting.start(metricsOnly(receiver.url));
    exporting.telemetry.readMetricsFrom(snapshot);
    expect(await exporting.telemetry.flush(5000)).toBe(true);
    const { metrics } = receiver;
    const withSeries = INSTRUMENTS.filter((one) => one.read(snapshot()).length > 0);
    expect([...metrics.keys()]).toEqual(withSeries.map(({ name }) => name));
    const deliveries = metrics.get("tickwire_deliveries_total");
    expect(deliveries?.sum).toMatchObject({ isMonotonic: true, aggregationTemporality: 2 });
    expect(deliveries?.sum?.dataPoints?.[0]?.asDouble).toBe(12);
    const drops = metrics.get("tickwire_drops_total")?.sum?.dataPoints ?? [];
    const byReason = drops.map(({ attributes, asDouble = 0 }) => [
      plainAttributes(attributes)["reason"],
      asDouble,
    ]);
    expect(byReason).toEqual([
      ["slow", 3],
      ["node-budget", 0],
      ["closed", 0],
      ["other", 0],
    ]);
    const duration = metrics.get("tickwire_delivery_duration_seconds");
    const [point] = duration?.histogram?.dataPoints ?? [];
    expect(duration?.unit).toBe("s");
    expect(point?.count).toBe("5");
    expect(point?.sum).toBeCloseTo(1000.0008, 9);
    expect(point?.explicitBounds?.slice(0, 3)).toEqual([0.00005, 0.0001, 0.00025]);
    expect(point?.bucketCounts?.map(Number).reduce((sum, one) => sum + one, 0)).toBe(5);
    expect(point?.bucketCounts).toHaveLength((point?.explicitBounds?.length ?? 0) + 1);
    expect([point?.bucketCounts?.[2], point?.bucketCounts?.at(-1)]).toEqual(["4", "1"]);
    expect(BigInt(point?.startTimeUnixNano ?? 0)).toBeLessThan(BigInt(point?.timeUnixNano ?? 0));
    const resource = plainAttributes(receiver.resourceMetrics.at(-1)?.resource?.attributes);
    expect(resource).toMatchObject({ "tickwire.node.id": "node-a" });
  });

  test("are given up where the common endpoint has no place for them, like Jaeger's", async () => {
    await using receiver = new OtlpReceiver();
    receiver.behaviour = { type: "refuse", status: 404 };
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_METRIC_EXPORT_INTERVAL: "3600000",
    };
    await using exporting = await Exporting.start(env);
    exporting.telemetry.readMetricsFrom(snapshot);
    await exporting.telemetry.flush(5000);
    await exporting.telemetry.flush(5000);
    expect(receiver.exports.map(({ path }) => path)).toEqual(["/v1/metrics"]);
    expect(exporting.logger.events()).toContain("telemetry_metrics_off");
    expect(exporting.logger.events()).not.toContain("telemetry_export_failed");
  });

  test("asked for by name are tried again and again", async () => {
    await using receiver = new OtlpReceiver();
    receiver.behaviour = { type: "refuse", status: 404 };
    await using exporting = await Exporting.start(metricsOnly(receiver.url));
    exporting.telemetry.readMetricsFrom(snapshot);
    await exporting.telemetry.flush(5000);
    await exporting.telemetry.flush(5000);
    expect(receiver.exports).toHaveLength(2);
    expect(exporting.logger.events()).toContain("telemetry_export_failed");
  });
});

test("one publication's spans are those of its trace id", async () => {
  await using receiver = new OtlpReceiver();
  await using exporting = await Exporting.start(tracesOnly(receiver.url));
  exporting.sink.trace(traceOf({ fanOut: fanOutOf() }));
  exporting.sink.trace(traceNumber(5));
  await receiver.until(({ spans }) => spans.length === 2 + SPANS_EACH);
  const found = receiver.store.trace(TRACE_ID).flatMap(({ scopeSpans = [] }) => scopeSpans);
  expect(found.flatMap(({ spans = [] }) => spans.map(({ name }) => name))).toEqual([
    "ingest market.>",
    "fanout market.>",
  ]);
});
