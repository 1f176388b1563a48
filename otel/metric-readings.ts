import type { HistogramSample, Instrument, Sample } from "./instrument.ts";
import { INSTRUMENTS } from "./metrics.ts";
import type { MetricsSnapshot } from "./snapshot.ts";

/** What the instruments showed at one moment, as plain data. */
export interface MetricReadings {
  /** When counting began, and when they were read: wall clock ms since 1970. */
  readonly startedMs: number;
  readonly atMs: number;
  /** In the order of the table of instruments. */
  readonly series: readonly (readonly (Sample | HistogramSample)[])[];
}

export function readInstruments(snapshot: MetricsSnapshot, atMs: number): MetricReadings {
  return { startedMs: snapshot.process.startedMs, atMs, series: INSTRUMENTS.map(read) };

  function read(instrument: Instrument): (Sample | HistogramSample)[] {
    if (instrument.kind !== "histogram") return [...instrument.read(snapshot)];
    // Those the broker counts in go on counting, and are no plain data.
    return instrument.read(snapshot).map(({ labels, histogram }) => {
      const { boundsMs, counts, sumMs, count } = histogram;
      return { labels, histogram: { boundsMs: [...boundsMs], counts: [...counts], sumMs, count } };
    });
  }
}
