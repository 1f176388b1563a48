import { expect, test } from "bun:test";

import { Stats } from "../../broker/stats.ts";
import type { Sample } from "../../otel/instrument.ts";
import { processSnapshot } from "../../otel/snapshot.ts";
import type { MetricsSnapshot, TransformSnapshot } from "../../otel/snapshot.ts";
import { TRANSFORM_INSTRUMENTS } from "../../otel/transform-metrics.ts";
import { FAULT_TYPES } from "../../workers/boundary/worker-link.ts";

const ONE: TransformSnapshot = {
  id: "redact",
  state: "degraded",
  queued: 3,
  heapBytes: 1000,
  verdicts: { pass: 5, drop: 1, unheardOf: 2, strange: 1 },
  faults: { throw: 4, tripped: 2 },
  restarts: { timeout: 1, start: 3 },
  custom: { hits: { sum: 12, count: 3 } },
  queueMs: { p50: 1, p99: 20 },
  runMs: { p50: 0.5, p99: 1.5 },
};

function samples(name: string, transforms?: readonly TransformSnapshot[]): readonly Sample[] {
  const snapshot: MetricsSnapshot = {
    stats: new Stats(),
    shards: [],
    process: processSnapshot("test"),
    ...(transforms === undefined ? {} : { transforms }),
  };
  const instrument = TRANSFORM_INSTRUMENTS.find((one) => one.name === name);
  if (instrument === undefined || instrument.kind === "histogram") throw new Error(`no ${name}`);
  return instrument.read(snapshot);
}

/** Value by label values. */
function values(name: string, ...transforms: TransformSnapshot[]): Record<string, number> {
  return Object.fromEntries(
    samples(name, transforms).map(({ labels, value }) => [labels.join(" "), value]),
  );
}

test("counts start at 0 for every value of a closed set, and others are counted as other", () => {
  const verdicts = values("tickwire_transform_publications_total", ONE);
  expect(verdicts).toMatchObject({ "redact pass": 5, "redact drop": 1, "redact replace": 0 });
  expect(verdicts["redact other"]).toBe(3);
  expect(values("tickwire_transform_faults_total", ONE)).toMatchObject({
    "redact throw": 4,
    "redact tripped": 2,
    "redact timeout": 0,
    "redact other": 0,
  });
  expect(values("tickwire_transform_restarts_total", ONE)).toMatchObject({
    "redact timeout": 1,
    "redact start": 3,
    "redact other": 0,
  });
});

test("every fault that a worker can tell of has a value of its own", () => {
  const types = samples("tickwire_transform_faults_total", [ONE]).map(({ labels }) => labels[1]);
  expect(types).toEqual([...FAULT_TYPES, "tripped", "other"]);
});

test("what a transform counts by itself has its sum and how often", () => {
  expect(values("tickwire_transform_custom_total", ONE)).toEqual({ "redact hits": 12 });
  expect(values("tickwire_transform_custom_samples_total", ONE)).toEqual({ "redact hits": 3 });
});

test("durations are in seconds, and one state is 1", () => {
  expect(values("tickwire_transform_queue_seconds", ONE)).toEqual({
    "redact 0.5": 0.001,
    "redact 0.99": 0.02,
  });
  expect(values("tickwire_transform_run_seconds", ONE)["redact 0.99"]).toBe(0.0015);
  expect(values("tickwire_transform_state", ONE)).toEqual({
    "redact starting": 0,
    "redact running": 0,
    "redact degraded": 1,
    "redact tripped": 0,
    "redact failed": 0,
  });
});

test("each transform has series of its own, and without any there are none", () => {
  expect(values("tickwire_transform_queued", ONE, { ...ONE, id: "other", queued: 0 })).toEqual({
    redact: 3,
    other: 0,
  });
  for (const { name } of TRANSFORM_INSTRUMENTS) expect(samples(name)).toEqual([]);
});
