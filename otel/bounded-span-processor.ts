import type { Context } from "@opentelemetry/api";
import { TraceFlags } from "@opentelemetry/api";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";

import type { BatchSettings } from "./settings.ts";
import type { SpanCounts } from "./snapshot.ts";

/**
 * Batches spans for the exporter, and bounds and counts what waits. The SDK's own processor bounds only what it has
 * not yet handed over, and does not say what it dropped.
 */
export class BoundedSpanProcessor implements SpanProcessor {
  readonly #inner: BatchSpanProcessor;
  readonly #exporter: SpanExporter;
  readonly #maxQueue: number;
  #exported = 0;
  #failed = 0;
  #dropped = 0;
  #waiting = 0;
  #isOver = false;

  /** @param createExporter gets what to call when the exporter is done with spans */
  constructor(
    { maxQueue, maxBatch, delayMs, timeoutMs }: BatchSettings,
    createExporter: (
      settled: (spans: readonly ReadableSpan[], isExported: boolean) => void,
    ) => SpanExporter,
  ) {
    this.#maxQueue = maxQueue;
    this.#exporter = createExporter((spans, isExported) => this.#settled(spans.length, isExported));
    this.#inner = new BatchSpanProcessor({
      exporter: this.#exporter,
      maxQueueSize: maxQueue,
      maxExportBatchSize: maxBatch,
      scheduledDelayMillis: delayMs,
      exportTimeoutMillis: timeoutMs,
    });
  }

  get counts(): SpanCounts {
    return {
      exported: this.#exported,
      failed: this.#failed,
      dropped: this.#dropped,
      waiting: this.#waiting,
    };
  }

  /** Whether this many more may wait; when not, they count as dropped. */
  hasRoom(count: number): boolean {
    if (!this.#isOver && this.#waiting + count <= this.#maxQueue) return true;
    this.#dropped += count;
    return false;
  }

  onStart(span: Span, parentContext: Context): void {
    this.#inner.onStart(span, parentContext);
  }

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0 || !this.hasRoom(1)) return;
    this.#waiting++;
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
    this.#isOver = true;
    return this.#inner.shutdown();
  }

  #settled(count: number, isExported: boolean): void {
    this.#waiting -= count;
    if (isExported) this.#exported += count;
    else this.#failed += count;
  }
}
