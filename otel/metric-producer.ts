import { ValueType } from "@opentelemetry/api";
import type { HrTime } from "@opentelemetry/api";
import { emptyResource } from "@opentelemetry/resources";
import { AggregationTemporality, DataPointType } from "@opentelemetry/sdk-metrics";
import type {
  CollectionResult,
  DataPoint,
  Histogram,
  MetricData,
  MetricProducer,
} from "@opentelemetry/sdk-metrics";

import type { HistogramSample, Instrument, Sample } from "./instrument.ts";
import type { MetricReadings } from "./metric-readings.ts";
import { INSTRUMENTS } from "./metrics.ts";
import { hrTime } from "./readable-span.ts";

/**
 * The instruments as OpenTelemetry's metrics, under the same names as in /metrics. They are read when they are due,
 * from the plain numbers the broker counts in; no instrument of the SDK is on any path of a publication.
 */
export function createMetricProducer(
  scope: { readonly name: string; readonly version: string },
  read: () => Promise<MetricReadings | null>,
): MetricProducer {
  return {
    collect: async (): Promise<CollectionResult> => {
      const readings = await read();
      const scopeMetrics = readings === null ? [] : [{ scope, metrics: metricsOf(readings) }];
      return { errors: [], resourceMetrics: { resource: emptyResource(), scopeMetrics } };
    },
  };
}

function metricsOf({ startedMs, atMs, series }: MetricReadings): MetricData[] {
  const span = { startTime: hrTime(startedMs), endTime: hrTime(atMs) };
  const metrics = INSTRUMENTS.map((instrument, i) => metricOf(instrument, series[i] ?? [], span));
  return metrics.filter(({ dataPoints }) => dataPoints.length > 0);
}

interface TimeSpan {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

function metricOf(
  instrument: Instrument,
  series: MetricReadings["series"][number],
  span: TimeSpan,
): MetricData {
  const { name, description, unit, labels } = instrument;
  const names = Object.keys(labels);
  const common = {
    descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (instrument.kind === "histogram") {
    return {
      ...common,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: series.flatMap((sample) =>
        "histogram" in sample ? [histogramPoint(sample, names, span)] : [],
      ),
    };
  }
  const dataPoints = series.flatMap((sample) =>
    "value" in sample ? [point(sample, names, span)] : [],
  );
  return instrument.kind === "counter"
    ? { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { ...common, dataPointType: DataPointType.GAUGE, dataPoints };
}

function point(
  { labels, value }: Sample,
  names: readonly string[],
  span: TimeSpan,
): DataPoint<number> {
  return { ...span, attributes: attributesOf(names, labels), value };
}

function histogramPoint(
  { labels, histogram }: HistogramSample,
  names: readonly string[],
  span: TimeSpan,
): DataPoint<Histogram> {
  const { boundsMs, counts, sumMs, count } = histogram;
  const boundaries = boundsMs.map((boundMs) => boundMs / 1000);
  return {
    ...span,
    attributes: attributesOf(names, labels),
    value: { buckets: { boundaries, counts: [...counts] }, sum: sumMs / 1000, count },
  };
}

function attributesOf(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""]));
}
