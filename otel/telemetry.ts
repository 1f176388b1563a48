import type { TraceSink } from "./delivery-trace.ts";
import { Exporter } from "./exporter.ts";
import type { Logger } from "./logger.ts";
import { readTelemetrySettings } from "./settings.ts";
import type { Environment } from "./settings.ts";
import type { MetricsSnapshot, SpanCounts } from "./snapshot.ts";

/** The export of traces and metrics. */
export interface RunningTelemetry {
  /** Null when traces are not exported. */
  readonly sink: TraceSink | null;
  readonly spans: SpanCounts;
  /** Where metrics come from, once there is a broker. */
  readMetricsFrom(read: () => MetricsSnapshot): void;
  /** Exports what waits. Whether the collector took it all within the limit; never rejects. */
  flush(withinMs: number): Promise<boolean>;
  /** Exports what waits and ends. Whether it did within the limit; never rejects. */
  shutdown(withinMs: number): Promise<boolean>;
}

export interface TelemetryOptions {
  readonly env: Environment;
  readonly logger: Logger;
  readonly version: string;
  readonly node: string;
  /** What runs in the thread that exports; default: the exporter. */
  readonly entry?: URL;
}

/**
 * The way in. On the broker's thread: the exporter bounds and counts what waits, and hands it to a thread of its own
 * (export-thread), because OpenTelemetry's SDK in the broker's heap costs every delivery. There, from exporter.entry on:
 * a delivery-trace (what is known of a publication) becomes span-records in span-tree, which span-source hands to the
 * SDK. Metrics: a snapshot is read through the table in metrics, for prometheus or by the metric-producer.
 *
 * Starts what the OTEL_* variables ask for. Null when that is nothing: then there is no such thread. Nothing they
 * say can stop the broker: what cannot be followed is logged and left out.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<RunningTelemetry | null> {
  const { env, logger } = options;
  const settings = readTelemetrySettings(env);
  for (const text of settings.warnings) logger.log("warn", "telemetry_setting_ignored", { text });
  const { traces, metrics } = settings;
  if (traces === null && metrics === null) return null;
  try {
    const exporter = await Exporter.start({ ...options, settings });
    const where = { traces: originOf(traces?.url), metrics: originOf(metrics?.url) };
    logger.log("info", "telemetry_started", where);
    return exporter;
  } catch (error) {
    logger.log("error", "telemetry_failed", { error });
    return null;
  }
}

/** Without what may be secret: user, path and query. */
function originOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : URL.parse(url)?.origin;
}
