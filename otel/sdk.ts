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

import type { DeliveryTrace } from "./delivery-trace.ts";
import { tellDiagnostics } from "./diagnostics.ts";
import type { ExportOptions } from "./export-messages.ts";
import { CountingSpanExporter, ForgivingMetricExporter } from "./exporters.ts";
import type { Logger } from "./logger.ts";
import { createMetricProducer } from "./metric-producer.ts";
import type { MetricReadings } from "./metric-readings.ts";
import { SpanBatches } from "./span-batches.ts";
import type { Settled } from "./span-batches.ts";
import { createSpanSource } from "./span-source.ts";

export interface SdkOptions extends ExportOptions {
  readonly logger: Logger;
  readonly settled: Settled;
  readonly readMetrics: () => Promise<MetricReadings | null>;
}

export interface RunningSdk {
  /** Exports the spans of a trace; returns how many of them were left out, because they were told before. */
  trace(delivery: DeliveryTrace): number;
  /** Exports what waits. @throws when the collector did not take it all */
  flush(): Promise<void>;
  /** Exports what waits and ends. @throws when the collector did not take it all */
  shutdown(): Promise<void>;
}

const DEFAULT_SERVICE_NAME = "tickwire-broker";

/**
 * Starts OpenTelemetry's SDK. This module loads all of it, about 160 ms and 30 MB: it belongs on a thread where that
 * holds up nobody.
 */
export function startSdk(options: SdkOptions): RunningSdk {
  const { settings, logger, version } = options;
  const { traces, metrics, batch, metricIntervalMs } = settings;
  const scope = { name: "tickwire", version };
  const resource = createResource(options);
  const processor =
    traces === null
      ? null
      : new SpanBatches(
          batch,
          options.settled,
          (settled) => new CountingSpanExporter(traces, logger, settled),
        );
  const reader =
    metrics === null
      ? null
      : new PeriodicExportingMetricReader({
          exporter: new ForgivingMetricExporter(metrics, logger),
          exportIntervalMillis: metricIntervalMs,
          exportTimeoutMillis: Math.min(30_000, metricIntervalMs),
          metricProducers: [createMetricProducer(scope, options.readMetrics)],
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
  return {
    trace: processor === null ? () => 0 : createSpanSource({ processor, resource, scope }),
    flush: async () => {
      await Promise.all([processor?.forceFlush(), reader?.forceFlush()]);
    },
    shutdown: () => sdk.shutdown(),
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
