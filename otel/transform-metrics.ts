import { OTHER } from "./instrument.ts";
import type { Instrument, Sample, ScalarInstrument } from "./instrument.ts";
import type { MetricsSnapshot, TransformSnapshot } from "./snapshot.ts";

const VERDICTS = ["pass", "replace", "drop", "fail", "emit", "skip", "shed", "refused"];
/** What a worker tells of (workers/boundary/worker-link.ts has the contract), and `tripped`: nobody was asked. */
const FAULTS = [
  "load",
  "config",
  "setup",
  "throw",
  "verdict",
  "emission",
  "timeout",
  "memory",
  "crash",
  "tripped",
];
/** `start`: it did not even load. */
const RESTARTS = ["timeout", "memory", "crash", "recycle", "start"];
const STATES = ["starting", "running", "degraded", "tripped", "failed"];

/** A counter split by transform and by one label of its own; what is outside of the closed set is `other`. */
function countsBy(
  name: string,
  unit: string,
  description: string,
  label: string,
  values: readonly string[],
  read: (transform: TransformSnapshot) => Readonly<Record<string, number>>,
): ScalarInstrument {
  const samplesOf = (transform: TransformSnapshot): Sample[] => {
    const totals = new Map<string, number>([...values, OTHER].map((value) => [value, 0]));
    for (const [key, count] of Object.entries(read(transform))) {
      const value = totals.has(key) ? key : OTHER;
      totals.set(value, (totals.get(value) ?? 0) + count);
    }
    return [...totals].map(([value, count]) => ({ labels: [transform.id, value], value: count }));
  };
  return {
    kind: "counter",
    name,
    unit,
    description,
    labels: { transform: null, [label]: [...values, OTHER] },
    read: ({ transforms = [] }: MetricsSnapshot) => transforms.flatMap(samplesOf),
  };
}

function gaugeOf(
  name: string,
  unit: string,
  description: string,
  read: (transform: TransformSnapshot) => number,
): ScalarInstrument {
  return {
    kind: "gauge",
    name,
    unit,
    description,
    labels: { transform: null },
    read: ({ transforms = [] }) =>
      transforms.map((one) => ({ labels: [one.id], value: read(one) })),
  };
}

/** A few quantiles of all durations since the start: the worker's side keeps no buckets that others could add up. */
function quantiles(
  name: string,
  description: string,
  read: (transform: TransformSnapshot) => { readonly p50: number; readonly p99: number },
): ScalarInstrument {
  return {
    kind: "gauge",
    name,
    unit: "s",
    description,
    labels: { transform: null, quantile: ["0.5", "0.99"] },
    read: ({ transforms = [] }) =>
      transforms.flatMap((one) => {
        const { p50, p99 } = read(one);
        return [
          { labels: [one.id, "0.5"], value: p50 / 1000 },
          { labels: [one.id, "0.99"], value: p99 / 1000 },
        ];
      }),
  };
}

/** What a transform counts by itself, by the names it gives. */
function customsOf(
  name: string,
  unit: string,
  description: string,
  read: (custom: TransformSnapshot["custom"][string]) => number,
): ScalarInstrument {
  return {
    kind: "counter",
    name,
    unit,
    description,
    labels: { transform: null, name: null },
    read: ({ transforms = [] }) =>
      transforms.flatMap(({ id, custom }) =>
        Object.entries(custom).map(([key, one]) => ({ labels: [id, key], value: read(one) })),
      ),
  };
}

/** Instruments of transforms. Their ids come from the configuration, so there are as many as it has. */
export const TRANSFORM_INSTRUMENTS: readonly Instrument[] = [
  countsBy(
    "tickwire_transform_publications_total",
    "{publication}",
    "Publications that went to a transform, by what became of them there.",
    "verdict",
    VERDICTS,
    (one) => one.verdicts,
  ),
  countsBy(
    "tickwire_transform_faults_total",
    "{fault}",
    "Faults of a transform, by type.",
    "type",
    FAULTS,
    (one) => one.faults,
  ),
  countsBy(
    "tickwire_transform_restarts_total",
    "{restart}",
    "Workers that were replaced, by reason.",
    "reason",
    RESTARTS,
    (one) => one.restarts,
  ),
  quantiles(
    "tickwire_transform_queue_seconds",
    "Time publications waited for a worker of a transform, since the start.",
    (one) => one.queueMs,
  ),
  quantiles(
    "tickwire_transform_run_seconds",
    "Time publications were in a worker of a transform, since the start.",
    (one) => one.runMs,
  ),
  gaugeOf(
    "tickwire_transform_queued",
    "{publication}",
    "Publications that wait for a worker of a transform now.",
    (one) => one.queued,
  ),
  gaugeOf(
    "tickwire_transform_heap_bytes",
    "By",
    "JavaScript heap of a transform's workers.",
    (one) => one.heapBytes,
  ),
  customsOf(
    "tickwire_transform_custom_total",
    "1",
    "Sum of what a transform counted or observed by itself.",
    ({ sum }) => sum,
  ),
  customsOf(
    "tickwire_transform_custom_samples_total",
    "{sample}",
    "How often a transform counted or observed by itself.",
    ({ count }) => count,
  ),
  {
    kind: "gauge",
    name: "tickwire_transform_state",
    unit: "1",
    description: "State of a transform: 1 for the one it is in, 0 for the others.",
    labels: { transform: null, state: STATES },
    read: ({ transforms = [] }) =>
      transforms.flatMap(({ id, state }) =>
        STATES.map((value) => ({ labels: [id, value], value: value === state ? 1 : 0 })),
      ),
  },
];
