import { describe, expect, test } from "bun:test";

import { Stats } from "../../broker/stats.ts";
import { INSTRUMENTS } from "../../otel/metrics.ts";
import { prefersOpenMetrics, renderOpenMetrics, renderPrometheus } from "../../otel/prometheus.ts";
import type { Exemplar, MetricsSnapshot, ProcessSnapshot } from "../../otel/snapshot.ts";
import { HttpBroker } from "../support/http-broker.ts";
import { parseOpenMetrics } from "../support/openmetrics-parser.ts";
import { parsePrometheus } from "../support/prometheus-parser.ts";

const PROCESS: ProcessSnapshot = {
  version: "1.2.3",
  bunVersion: "1.4.5",
  startedMs: 1_800_000_000_000,
  residentBytes: 1e8,
  heapBytes: 5e7,
  cpuMs: 1500,
};
const EXEMPLAR: Exemplar = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  valueMs: 180,
  atMs: 1_800_000_123_456,
};

function snapshotWith(exemplar: Exemplar): MetricsSnapshot {
  const stats = new Stats();
  stats.deliveryDuration.record(exemplar.valueMs);
  const { boundsMs, counts, sumMs, count } = stats.deliveryDuration;
  const bucket = counts.findIndex((one) => one > 0);
  const exemplars = counts.map((_count, i) => (i === bucket ? exemplar : null));
  const deliveryDuration = { boundsMs, counts, sumMs, count, exemplars };
  return { stats: Object.assign(stats, { deliveryDuration }), shards: [], process: PROCESS };
}

const PLAIN: MetricsSnapshot = { stats: new Stats(), shards: [], process: PROCESS };

test("OpenMetrics says the same as the plain text", () => {
  const { families } = parseOpenMetrics(renderOpenMetrics(PLAIN));
  const plain = parsePrometheus(renderPrometheus(PLAIN));
  expect(families.map(({ samples }) => samples.map(({ name, value }) => [name, value]))).toEqual(
    plain.map(({ samples }) => samples.map(({ name, value }) => [name, value])),
  );
  expect(families.map(({ name }) => name)).toEqual(
    INSTRUMENTS.map(({ name }) => name.replace(/_total$/, "")),
  );
});

test("units are told where a name ends in one", () => {
  const { families } = parseOpenMetrics(renderOpenMetrics(PLAIN));
  const units = Object.fromEntries(families.map(({ name, unit }) => [name, unit]));
  expect(units).toMatchObject({
    tickwire_delivery_duration_seconds: "seconds",
    tickwire_received_bytes: "bytes",
    tickwire_connections: null,
    process_cpu_seconds: "seconds",
  });
});

test("bounds are floats", () => {
  const { families } = parseOpenMetrics(renderOpenMetrics(PLAIN));
  const lag = families.find(({ name }) => name === "tickwire_event_loop_lag_seconds");
  const bounds = lag?.samples.flatMap(({ labels }) => labels.get("le") ?? []) ?? [];
  expect(bounds).toContain("1.0");
  expect(bounds.filter((le) => !/^(\+Inf|\d+\.\d+)$/.test(le))).toEqual([]);
});

describe("exemplars", () => {
  test("lead from a bucket to the trace that explains it", () => {
    const { exemplars } = parseOpenMetrics(renderOpenMetrics(snapshotWith(EXEMPLAR)));
    expect(exemplars).toEqual([
      {
        bucket: 'tickwire_delivery_duration_seconds_bucket{le="0.25"} 1',
        labels: { trace_id: EXEMPLAR.traceId, span_id: EXEMPLAR.spanId },
        value: 0.18,
        atSeconds: 1_800_000_123.456,
      },
    ]);
  });

  test("stand at the last bucket too", () => {
    const slow = { ...EXEMPLAR, valueMs: 60_000 };
    const { exemplars } = parseOpenMetrics(renderOpenMetrics(snapshotWith(slow)));
    expect(exemplars).toMatchObject([
      { bucket: 'tickwire_delivery_duration_seconds_bucket{le="+Inf"} 1', value: 60 },
    ]);
  });

  test("have no place in the plain text", () => {
    const text = renderPrometheus(snapshotWith(EXEMPLAR));
    expect(text).not.toContain("trace_id");
    parsePrometheus(text);
  });
});

test("a histogram with a label has one series for each of its values", () => {
  const stats = new Stats();
  stats.tracing.record("bus", 3);
  stats.tracing.record("bus", 7);
  const families = parsePrometheus(renderPrometheus({ ...PLAIN, stats }));
  const family = families.find(({ name }) => name === "tickwire_stage_duration_seconds");
  const counts = family?.samples.filter(({ name }) => name.endsWith("_count")) ?? [];
  expect(
    Object.fromEntries(counts.map(({ labels, value }) => [labels.get("stage"), value])),
  ).toEqual({ ingest: 0, tx_queue: 0, tx_run: 0, bus_queue: 0, bus: 2, fanout: 0, socket: 0 });
  const below = family?.samples.find(
    ({ labels }) => labels.get("stage") === "bus" && labels.get("le") === "0.005",
  );
  expect(below?.value).toBe(1);
});

describe("what a scraper asks for", () => {
  test.each([
    [null, false],
    ["", false],
    ["*/*", false],
    ["text/html,application/xhtml+xml,*/*;q=0.8", false],
    ["text/plain", false],
    ["application/openmetrics-text", true],
    ["application/openmetrics-text; version=1.0.0", true],
    ["Application/OpenMetrics-Text;Version=1.0.0", true],
    ["application/openmetrics-text;version=0.0.1", false],
    ["application/openmetrics-text;version=1.0.0;q=0", false],
    ["application/openmetrics-text;q=0.3,text/plain;q=0.5", false],
    ["text/plain;q=0.5,application/openmetrics-text;q=0.75", true],
    ["application/openmetrics-text;q=much", false],
    // As Prometheus 2 and 3 ask.
    [
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      true,
    ],
    [
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      true,
    ],
  ])("%s", (accept, isOpen) => {
    expect(prefersOpenMetrics(accept)).toBe(isOpen);
  });

  test("is what it gets, with the type of it", async () => {
    await using http = await HttpBroker.start();
    const plain = await http.fetch("/metrics");
    expect(plain.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    parsePrometheus(await plain.text());
    const headers = { accept: "application/openmetrics-text;version=1.0.0" };
    const open = await http.fetch("/metrics", { headers });
    expect(open.headers.get("content-type")).toBe(
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    parseOpenMetrics(await open.text());
  });
});
