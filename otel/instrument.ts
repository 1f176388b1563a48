import type { HistogramSnapshot, MetricsSnapshot } from "./snapshot.ts";

/** One series: label values in the order of the instrument's labels. */
export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}

/** One series of a histogram. */
export interface HistogramSample {
  readonly labels: readonly string[];
  readonly histogram: HistogramSnapshot;
}

interface Common {
  readonly name: string;
  /** UCUM, as OpenTelemetry writes it. */
  readonly unit: string;
  /** One sentence. */
  readonly description: string;
  /** Every label and the closed set of its values; null where the value is one per process. */
  readonly labels: Readonly<Record<string, readonly string[] | null>>;
}

export interface ScalarInstrument extends Common {
  readonly kind: "counter" | "gauge";
  read(snapshot: MetricsSnapshot): readonly Sample[];
}

/** Of durations: recorded in ms, told in seconds. */
export interface HistogramInstrument extends Common {
  readonly kind: "histogram";
  read(snapshot: MetricsSnapshot): readonly HistogramSample[];
}

export type Instrument = ScalarInstrument | HistogramInstrument;

export function scalar(
  kind: ScalarInstrument["kind"],
  name: string,
  unit: string,
  description: string,
  read: (snapshot: MetricsSnapshot) => number,
): ScalarInstrument {
  const sample = (snapshot: MetricsSnapshot): Sample[] => [{ labels: [], value: read(snapshot) }];
  return { kind, name, unit, description, labels: {}, read: sample };
}

/** What a name outside its closed set is counted as. */
export const OTHER = "other";

/** A counter split by one label whose values are known beforehand, so that each starts at 0. */
export function split(
  name: string,
  unit: string,
  description: string,
  label: string,
  values: readonly string[],
  read: (snapshot: MetricsSnapshot) => ReadonlyMap<string, number>,
): ScalarInstrument {
  const sample = (snapshot: MetricsSnapshot): Sample[] => {
    const totals = new Map<string, number>([...values, OTHER].map((value) => [value, 0]));
    for (const [key, count] of read(snapshot)) {
      const value = totals.has(key) ? key : OTHER;
      totals.set(value, (totals.get(value) ?? 0) + count);
    }
    return [...totals].map(([key, value]) => ({ labels: [key], value }));
  };
  return {
    kind: "counter",
    name,
    unit,
    description,
    labels: { [label]: [...values, OTHER] },
    read: sample,
  };
}

export function histogram(
  name: string,
  description: string,
  read: (snapshot: MetricsSnapshot) => HistogramSnapshot,
): HistogramInstrument {
  const sample = (snapshot: MetricsSnapshot): HistogramSample[] => [
    { labels: [], histogram: read(snapshot) },
  ];
  return { kind: "histogram", name, unit: "s", description, labels: {}, read: sample };
}

/**
 * A histogram split by one label. What `read` has no histogram for shows no series, and neither does a key
 * outside of `values`.
 */
export function histogramBy(
  name: string,
  description: string,
  label: string,
  values: readonly string[],
  read: (snapshot: MetricsSnapshot) => ReadonlyMap<string, HistogramSnapshot>,
): HistogramInstrument {
  const sample = (snapshot: MetricsSnapshot): HistogramSample[] => {
    const found = read(snapshot);
    return values.flatMap((value) => {
      const one = found.get(value);
      return one === undefined ? [] : [{ labels: [value], histogram: one }];
    });
  };
  return {
    kind: "histogram",
    name,
    unit: "s",
    description,
    labels: { [label]: values },
    read: sample,
  };
}
