import { context, propagation, trace } from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace";
import type { ReadableSpan, Sampler } from "@opentelemetry/sdk-trace";

/** OpenTelemetry's SDK, registered for this process, whose spans are kept. Disposing of it takes it away again. */
export class InMemorySdk implements AsyncDisposable {
  readonly #exporter = new InMemorySpanExporter();
  readonly #sdk: NodeSDK;

  constructor(sampler?: Sampler) {
    this.#sdk = new NodeSDK({
      spanProcessors: [new SimpleSpanProcessor({ exporter: this.#exporter })],
      metricReaders: [],
      logRecordProcessors: [],
      instrumentations: [],
      autoDetectResources: false,
      ...(sampler === undefined ? {} : { sampler }),
    });
    this.#sdk.start();
  }

  /** Ended spans, in the order of their ends. */
  get spans(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  /** The only span of this name. @throws when there is none, or more */
  span(name: string): ReadableSpan {
    const [found, ...more] = this.spans.filter((span) => span.name === name);
    if (found !== undefined && more.length === 0) return found;
    throw new Error(`not one span ${name} among: ${this.spans.map((one) => one.name).join(", ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sdk.shutdown();
    trace.disable();
    context.disable();
    propagation.disable();
  }
}
