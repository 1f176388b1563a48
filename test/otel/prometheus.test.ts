import { describe, expect, test } from "bun:test";

import type { Histogram } from "../../broker/histogram.ts";
import { Stats } from "../../broker/stats.ts";
import { INSTRUMENTS } from "../../otel/metrics.ts";
import { renderPrometheus } from "../../otel/prometheus.ts";
import { processSnapshot } from "../../otel/snapshot.ts";
import type { MetricsSnapshot, ProcessSnapshot, TransformSnapshot } from "../../otel/snapshot.ts";
import { Code } from "../../protocol/codes.ts";
import { parsePrometheus } from "../support/prometheus-parser.ts";
import type { PrometheusFamily, PrometheusSample } from "../support/prometheus-parser.ts";

const PROCESS: ProcessSnapshot = {
  version: "1.2.3",
  bunVersion: "1.4.5",
  startedMs: 1_800_000_000_000,
  residentBytes: 1e8,
  heapBytes: 5e7,
  cpuMs: 1500,
};

/** One transform that nothing went through yet. */
const UNUSED_TRANSFORM: TransformSnapshot = {
  id: "redact",
  state: "running",
  queued: 0,
  heapBytes: 0,
  verdicts: {},
  faults: {},
  restarts: {},
  custom: { hits: { sum: 0, count: 0 } },
  queueMs: { p50: 0, p99: 0 },
  runMs: { p50: 0, p99: 0 },
};

function familiesOf(stats: Stats, process = PROCESS): Map<string, PrometheusFamily> {
  const snapshot = { stats, shards: [], process, transforms: [UNUSED_TRANSFORM] };
  const families = parsePrometheus(renderPrometheus(snapshot));
  return new Map(families.map((family) => [family.name, family]));
}

function samplesOf(stats: Stats, name: string): readonly PrometheusSample[] {
  return familiesOf(stats).get(name)?.samples ?? [];
}

/** Value by the first label. */
function byLabel(stats: Stats, name: string): Record<string, number> {
  return Object.fromEntries(
    samplesOf(stats, name).map(({ labels, value }) => [[...labels.values()][0] ?? "", value]),
  );
}

test("every instrument is there from the start, at 0 where it counts", () => {
  const families = familiesOf(new Stats());
  expect([...families.keys()]).toEqual(INSTRUMENTS.map(({ name }) => name));
  for (const [name, { samples, type }] of families) {
    expect([name, samples.length > 0]).toEqual([name, true]);
    if (name.startsWith("tickwire_") && type === "counter") {
      for (const { value } of samples) expect([name, value]).toEqual([name, 0]);
    }
  }
});

test("names, units and types follow the conventions of Prometheus", () => {
  for (const { name, kind, unit, description } of INSTRUMENTS) {
    expect(name).toMatch(/^(tickwire|process)(_[a-z][a-z0-9]*)+$/);
    expect([name, name.endsWith("_total")]).toEqual([name, kind === "counter"]);
    expect(description).toMatch(/^[A-Z].*\.$/);
    const base = name.replace(/_total$/, "");
    expect([name, base.endsWith("_bytes")]).toEqual([name, unit === "By"]);
    expect([name, base.endsWith("_seconds")]).toEqual([name, unit === "s"]);
    if (kind === "histogram") expect(unit).toBe("s");
  }
  for (const [name, { type, help }] of familiesOf(new Stats())) {
    const instrument = INSTRUMENTS.find((one) => one.name === name);
    expect([type, help]).toEqual([instrument?.kind as string, instrument?.description as string]);
  }
});

test("labels come from the closed sets of the table", () => {
  for (const instrument of INSTRUMENTS) {
    const samples = samplesOf(new Stats(), instrument.name);
    for (const [label, values] of Object.entries(instrument.labels)) {
      const found = new Set(samples.map(({ labels }) => labels.get(label) ?? ""));
      if (values !== null) expect([...found]).toEqual([...values]);
    }
  }
});

test("each counter of the broker is read by some instrument", () => {
  const before = renderPrometheus({ stats: new Stats(), shards: [], process: PROCESS });
  const unread: string[] = [];
  for (const [name, value] of Object.entries(new Stats())) {
    const stats = new Stats();
    if (typeof value === "number") Object.assign(stats, { [name]: 7 });
    else if (value instanceof Map) (Reflect.get(stats, name) as Map<string, number>).set("slow", 7);
    else if (name === "deliveryDuration") stats.deliveryDuration.record(3);
    else if (name === "eventLoopLag") stats.eventLoopLag.record(3);
    else if (name === "tracing") stats.tracing.record("bus", 3);
    if (renderPrometheus({ stats, shards: [], process: PROCESS }) === before) unread.push(name);
  }
  expect(unread).toEqual([]);
});

function textOf(stats: Stats): string {
  return renderPrometheus({ stats, shards: [], process: PROCESS });
}

test("each counter of tracing is read by some instrument", () => {
  const before = textOf(new Stats());
  const unread: string[] = [];
  for (const [name, value] of Object.entries(new Stats().tracing)) {
    const stats = new Stats();
    const part: unknown = Reflect.get(stats.tracing, name);
    if (typeof value === "number") Object.assign(stats.tracing, { [name]: 7 });
    else if (part instanceof Map) (part as Map<string, number>).set("slow", 7);
    else for (const one of Object.values(part as object)) (one as Histogram).record(3);
    if (textOf(stats) === before) unread.push(name);
  }
  expect(unread).toEqual([]);
});

test("splits by reason and code count what happened, and what is not known as other", () => {
  const stats = new Stats();
  stats.dropped("slow", 3);
  stats.dropped("closed", 2);
  stats.errored(Code.forbidden);
  stats.errored(Code.forbidden);
  stats.closed("normal");
  stats.closed(Code.slow.name);
  stats.closed("a name nobody foresaw");
  expect(byLabel(stats, "tickwire_drops_total")).toEqual({
    slow: 3,
    "node-budget": 0,
    closed: 2,
    other: 0,
  });
  expect(byLabel(stats, "tickwire_errors_total")).toMatchObject({
    forbidden: 2,
    bad_frame: 0,
    other: 0,
  });
  expect(byLabel(stats, "tickwire_closes_total")).toMatchObject({ normal: 1, slow: 1, other: 1 });
});

describe("histograms", () => {
  test("have cumulative buckets in seconds, the last of which is the count", () => {
    const stats = new Stats();
    stats.deliveryDuration.record(0.05);
    stats.deliveryDuration.record(3, 4);
    stats.deliveryDuration.record(1e9);
    const samples = samplesOf(stats, "tickwire_delivery_duration_seconds");
    const buckets = samples.filter(({ name }) => name.endsWith("_bucket"));
    const counts = new Map(buckets.map(({ labels, value }) => [labels.get("le"), value]));
    expect(counts.get("0.00005")).toBe(1);
    expect(counts.get("0.0025")).toBe(1);
    expect(counts.get("0.005")).toBe(5);
    expect(counts.get("2.5")).toBe(5);
    expect(counts.get("+Inf")).toBe(6);
    expect(samples.find(({ name }) => name.endsWith("_count"))?.value).toBe(6);
    expect(samples.find(({ name }) => name.endsWith("_sum"))?.value).toBeCloseTo(1e6 + 0.01205, 6);
    const bounds = buckets.map(({ labels }) =>
      Number(labels.get("le")?.replace("+Inf", "Infinity")),
    );
    expect(bounds).toEqual(bounds.toSorted((a, b) => a - b));
    expect(buckets.map(({ value }) => value)).toEqual(
      buckets.map(({ value }) => value).toSorted((a, b) => a - b),
    );
  });

  test("of random values stay consistent", () => {
    const stats = new Stats();
    for (let i = 0; i < 1000; i++) stats.eventLoopLag.record(2 ** ((i % 40) - 10));
    const samples = samplesOf(stats, "tickwire_event_loop_lag_seconds");
    for (const { labels, value } of samples.filter(({ name }) => name.endsWith("_bucket"))) {
      const bound = Number(labels.get("le")?.replace("+Inf", "Infinity")) * 1000;
      const below = Array.from({ length: 1000 }, (_, i) => 2 ** ((i % 40) - 10)).filter(
        (ms) => ms <= bound,
      );
      expect([bound, value]).toEqual([bound, below.length]);
    }
  });
});

test("labels are escaped, whatever they hold", () => {
  const process = { ...PROCESS, version: 'a"b\\c\nd{e="f"},g' };
  const [sample] = familiesOf(new Stats(), process).get("tickwire_build_info")?.samples ?? [];
  expect(sample?.labels.get("version")).toBe('a"b\\c\nd{e="f"},g');
  expect(sample?.value).toBe(1);
});

test("of this process it tells plausible figures", () => {
  const snapshot: MetricsSnapshot = {
    stats: new Stats(),
    shards: [],
    process: processSnapshot("0.0.0"),
  };
  const families = new Map(
    parsePrometheus(renderPrometheus(snapshot)).map((family) => [
      family.name,
      family.samples[0]?.value ?? 0,
    ]),
  );
  expect(families.get("process_resident_memory_bytes")).toBeGreaterThan(1e6);
  expect(families.get("process_heap_bytes")).toBeGreaterThan(0);
  expect(families.get("process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(families.get("process_start_time_seconds")).toBeGreaterThan(1.7e9);
  expect(families.get("process_start_time_seconds")).toBeLessThanOrEqual(Date.now() / 1000);
});
