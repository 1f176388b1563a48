import { ExportResultCode } from "@opentelemetry/core";
import type { ExportResult } from "@opentelemetry/core";
import { OTLPMetricExporter as JsonMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter as JsonTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import type { PushMetricExporter, ResourceMetrics } from "@opentelemetry/sdk-metrics";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";

import type { Logger } from "./logger.ts";
import { OnceInAWhile } from "./once-in-a-while.ts";
import type { SignalSettings } from "./settings.ts";
import type { Settled } from "./span-batches.ts";

/** Tells of exports that fail, once in a while, and of the first that works again. */
class Outcome {
  readonly #signal: "traces" | "metrics";
  readonly #logger: Logger;
  readonly #often = new OnceInAWhile();
  #isFailing = false;

  constructor(signal: "traces" | "metrics", logger: Logger) {
    this.#signal = signal;
    this.#logger = logger;
  }

  succeeded(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#logger.log("info", "telemetry_export_recovered", { signal: this.#signal });
  }

  failed(error: Error | undefined): void {
    this.#isFailing = true;
    const held = this.#often.pass("failed");
    if (held === null) return;
    const fields = { signal: this.#signal, error: error?.message ?? "unknown", suppressed: held };
    this.#logger.log("warn", "telemetry_export_failed", fields);
  }
}

/** An exporter of spans that counts what became of them. */
export class CountingSpanExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #outcome: Outcome;
  readonly #settled: Settled;

  constructor({ url, protocol }: SignalSettings, logger: Logger, settled: Settled) {
    const Exporter = protocol === "http/json" ? JsonTraceExporter : OTLPTraceExporter;
    this.#exporter = new Exporter({ url });
    this.#outcome = new Outcome("traces", logger);
    this.#settled = settled;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#exporter.export(spans, (result) => {
      const isExported = result.code === ExportResultCode.SUCCESS;
      if (isExported) this.#outcome.succeeded();
      else this.#outcome.failed(result.error);
      this.#settled(spans.length, isExported);
      done(result);
    });
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}

/**
 * An exporter of metrics. When nobody asked for metrics by name and the endpoint has no place for them (Jaeger's
 * has none), it stops for good instead of failing every minute.
 */
export class ForgivingMetricExporter implements PushMetricExporter {
  readonly #exporter: PushMetricExporter;
  readonly #outcome: Outcome;
  readonly #logger: Logger;
  readonly #isExplicit: boolean;
  #isOver = false;

  constructor({ url, protocol, isExplicit }: SignalSettings, logger: Logger) {
    const Exporter = protocol === "http/json" ? JsonMetricExporter : OTLPMetricExporter;
    this.#exporter = new Exporter({ url });
    this.#outcome = new Outcome("metrics", logger);
    this.#logger = logger;
    this.#isExplicit = isExplicit;
  }

  export(metrics: ResourceMetrics, done: (result: ExportResult) => void): void {
    if (this.#isOver) {
      done({ code: ExportResultCode.SUCCESS });
      return;
    }
    this.#exporter.export(metrics, (result) => {
      if (result.code === ExportResultCode.SUCCESS) this.#outcome.succeeded();
      else if (!this.#isExplicit && statusOf(result.error) === 404) this.#giveUp();
      else this.#outcome.failed(result.error);
      done(this.#isOver ? { code: ExportResultCode.SUCCESS } : result);
    });
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  #giveUp(): void {
    this.#isOver = true;
    const advice = "the endpoint takes no metrics; scrape /metrics, or set OTEL_METRICS_EXPORTER";
    this.#logger.log("info", "telemetry_metrics_off", { advice });
  }
}

/** HTTP status of an export that was answered. */
function statusOf(error: Error | undefined): unknown {
  return error !== undefined && "code" in error ? error.code : undefined;
}
