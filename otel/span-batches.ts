import type { Context } from "@opentelemetry/api";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";

import type { BatchSettings } from "./settings.ts";

/** Hears what became of so many spans. */
export type Settled = (count: number, isExported: boolean) => void;

/**
 * Batches spans for the exporter. How many wait is bounded by who hands them over: the SDK's own processor bounds only
 * what it has not yet passed on, and does not say what it dropped.
 */
export class SpanBatches implements SpanProcessor {
  readonly #inner: BatchSpanProcessor;
  readonly #exporter: SpanExporter;
  #failed = 0;

  /** @param createExporter gets what to call when the exporter is done with spans */
  constructor(
    { maxQueue, maxBatch, delayMs, timeoutMs }: BatchSettings,
    settled: Settled,
    createExporter: (settled: Settled) => SpanExporter,
  ) {
    this.#exporter = createExporter((count, isExported) => {
      if (!isExported) this.#failed += count;
      settled(count, isExported);
    });
    this.#inner = new BatchSpanProcessor({
      exporter: this.#exporter,
      maxQueueSize: maxQueue,
      maxExportBatchSize: maxBatch,
      scheduledDelayMillis: delayMs,
      exportTimeoutMillis: timeoutMs,
    });
  }

  onStart(span: Span, parentContext: Context): void {
    this.#inner.onStart(span, parentContext);
  }

  onEnd(span: ReadableSpan): void {
    this.#inner.onEnd(span);
  }

  /** Ends when everything that waits now is settled. @throws when some of it failed */
  async forceFlush(): Promise<void> {
    const failed = this.#failed;
    await this.#inner.forceFlush();
    // The SDK's processor does not wait for what is on its way already.
    await this.#exporter.forceFlush?.();
    if (this.#failed > failed) throw new Error("some spans were not exported");
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}
