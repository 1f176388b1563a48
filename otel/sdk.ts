import {
  defaultResource,
  detectResources,
  envDetector,
  hostDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import type { Resource } from "@opentelemetry/resources";
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { NodeSDK } from "@opentelemetry/sdk-node";

import { BoundedSpanProcessor } from "./bounded-span-processor.ts";
import { tellDiagnostics } from "./diagnostics.ts";
import { CountingSpanExporter, ForgivingMetricExporter } from "./exporters.ts";
import type { Logger } from "./logger.ts";
import { createMetricProducer } from "./metric-producer.ts";
import type { TelemetrySettings } from "./settings.ts";
import type { MetricsSnapshot, SpanCounts } from "./snapshot.ts";
import type { RunningTelemetry } from "./telemetry.ts";
import { createTraceSink } from "./trace-sink.ts";

export interface SdkOptions {
  readonly settings: TelemetrySettings;
  readonly logger: Logger;
  readonly version: string;
  /** Id of this node. */
  readonly node: string;
  /** `OTEL_LOG_LEVEL`; null when it is not set. */
  readonly diagnosticLevel: string | null;
}

const DEFAULT_SERVICE_NAME = "tickwire-broker";

/**
 * Starts OpenTelemetry's SDK. This module loads all of it, about 160 ms and 30 MB: import it only when telemetry is on.
 */
export function startSdk(options: SdkOptions): RunningTelemetry {
  const { settings, logger, version } = options;
  const { traces, metrics, batch, metricIntervalMs } = settings;
  const scope = { name: "tickwire", version };
  const resource = createResource(options);
  let readMetrics: (() => MetricsSnapshot) | null = null;
  const processor =
    traces === null
      ? null
      : new BoundedSpanProcessor(
          batch,
          (settled) => new CountingSpanExporter(traces, logger, settled),
        );
  const reader =
    metrics === null
      ? null
      : new PeriodicExportingMetricReader({
          exporter: new ForgivingMetricExporter(metrics, logger),
          exportIntervalMillis: metricIntervalMs,
          exportTimeoutMillis: Math.min(30_000, metricIntervalMs),
          metricProducers: [createMetricProducer(scope, () => readMetrics?.() ?? null)],
        });
  // Every list is given, also the empty ones: what is left out, the SDK would export to localhost.
  const sdk = new NodeSDK({
    resource,
    autoDetectResources: false,
    spanProcessors: processor === null ? [] : [processor],
    metricReaders: reader === null ? [] : [reader],
    logRecordProcessors: [],
    instrumentations: [],
  });
  tellDiagnostics(logger, options.diagnosticLevel);
  sdk.start();
  const flush = async (): Promise<void> => {
    await Promise.all([processor?.forceFlush(), reader?.forceFlush()]);
  };
  let ended: Promise<boolean> | null = null;
  return {
    sink: processor === null ? null : createTraceSink({ processor, resource, scope }),
    get spans(): SpanCounts {
      return processor?.counts ?? { exported: 0, failed: 0, dropped: 0, waiting: 0 };
    },
    readMetricsFrom: (read) => {
      readMetrics = read;
    },
    flush: (withinMs) => within(withinMs, flush()),
    shutdown: (withinMs) => {
      ended ??= within(withinMs, sdk.shutdown());
      return ended;
    },
  };
}

function createResource({ settings, version, node }: SdkOptions): Resource {
  // Not the process detector: it tells the command line, where a secret may stand.
  const detected = detectResources({ detectors: [hostDetector, envDetector] });
  const defaults = resourceFromAttributes({
    "service.name": DEFAULT_SERVICE_NAME,
    "service.version": version,
    "service.instance.id": node,
    "process.pid": process.pid,
    "process.runtime.name": "bun",
    "process.runtime.version": process.versions["bun"] ?? "",
  });
  const named = settings.serviceName === null ? {} : { "service.name": settings.serviceName };
  return defaultResource()
    .merge(defaults)
    .merge(detected)
    .merge(resourceFromAttributes({ ...named, "tickwire.node.id": node }));
}

/** Whether it ended well and in time. A collector that is down makes it reject, one that hangs would never let it end. */
async function within(limitMs: number, work: Promise<void>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  void work.then(
    () => resolve(true),
    () => resolve(false),
  );
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
