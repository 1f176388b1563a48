import type { DeliveryTrace, TraceSink } from "./delivery-trace.ts";
import type { ExportEvent } from "./export-messages.ts";
import { ExportThread } from "./export-thread.ts";
import type { ExportThreadOptions } from "./export-thread.ts";
import type { Logger } from "./logger.ts";
import { readInstruments } from "./metric-readings.ts";
import type { Environment, TelemetrySettings } from "./settings.ts";
import type { MetricsSnapshot, SpanCounts } from "./snapshot.ts";
import { SpanBudget } from "./span-budget.ts";
import { countSpans } from "./span-count.ts";

/** A thread that was lost is replaced after the first of these, ms; after twice as long each further time. */
const RESTART_MS = 1000;
const MAX_RESTART_MS = 60_000;

export interface ExporterOptions {
  readonly settings: TelemetrySettings;
  readonly env: Environment;
  readonly logger: Logger;
  readonly version: string;
  readonly node: string;
  readonly entry?: URL;
}

/**
 * The export of traces and metrics, on the broker's thread: bounds and counts what waits, and keeps a thread that
 * exports it. Whatever happens there, the broker goes on.
 */
export class Exporter {
  readonly sink: TraceSink | null;
  readonly #options: ExporterOptions;
  readonly #budget: SpanBudget;
  #thread: ExportThread | null = null;
  #readMetrics: (() => MetricsSnapshot) | null = null;
  #restartMs = RESTART_MS;
  #ended: Promise<boolean> | null = null;

  private constructor(options: ExporterOptions) {
    this.#options = options;
    const { traces, batch } = options.settings;
    this.#budget = new SpanBudget(batch.maxQueue);
    this.sink = traces === null ? null : { trace: (delivery) => this.#trace(delivery) };
  }

  /** @throws Error when the SDK cannot be started */
  static async start(options: ExporterOptions): Promise<Exporter> {
    const exporter = new Exporter(options);
    await exporter.#open();
    return exporter;
  }

  get spans(): SpanCounts {
    const { exported, failed, dropped, waiting } = this.#budget;
    return { exported, failed, dropped, waiting };
  }

  readMetricsFrom(read: () => MetricsSnapshot): void {
    this.#readMetrics = read;
  }

  async flush(withinMs: number): Promise<boolean> {
    return this.#thread === null ? false : this.#thread.ask("flush", withinMs);
  }

  shutdown(withinMs: number): Promise<boolean> {
    this.#ended ??= this.#end(withinMs);
    return this.#ended;
  }

  async #end(withinMs: number): Promise<boolean> {
    const thread = this.#thread;
    if (thread === null) return false;
    const isWell = await thread.ask("shutdown", withinMs);
    this.#thread = null;
    thread.end();
    return isWell;
  }

  async #open(): Promise<void> {
    const { settings, env, logger, version, node, entry } = this.#options;
    const options: ExportThreadOptions = {
      settings,
      env,
      logger,
      version,
      node,
      diagnosticLevel: env["OTEL_LOG_LEVEL"] ?? null,
      onEvent: (event) => this.#hear(event),
      onLost: (error) => this.#lost(error),
      ...(entry === undefined ? {} : { entry }),
    };
    this.#thread = await ExportThread.start(options);
  }

  /** All or nothing: a trace with holes would mislead. */
  #trace(trace: DeliveryTrace): void {
    const count = countSpans(trace);
    const thread = this.#ended === null ? this.#thread : null;
    if (thread === null) this.#budget.dropped += count;
    else if (this.#budget.take(count)) thread.send({ type: "trace", trace });
  }

  #hear(event: ExportEvent & { readonly type: "settled" | "read" }): void {
    if (event.type === "settled") {
      this.#budget.settled(event.exported, event.failed, event.repeated);
      return;
    }
    const snapshot = this.#readMetrics?.() ?? null;
    const readings = snapshot === null ? null : readInstruments(snapshot, Date.now());
    this.#thread?.send({ type: "readings", id: event.id, readings });
  }

  #lost(error: Error): void {
    if (this.#thread === null) return;
    this.#thread = null;
    this.#budget.lost();
    if (this.#ended !== null) return;
    const inMs = this.#restartMs;
    this.#options.logger.log("warn", "telemetry_thread_lost", { error, restartMs: inMs });
    this.#restartLater(inMs);
  }

  #restartLater(inMs: number): void {
    this.#restartMs = Math.min(MAX_RESTART_MS, 2 * inMs);
    setTimeout(() => void this.#restart(), inMs).unref();
  }

  async #restart(): Promise<void> {
    if (this.#ended !== null) return;
    try {
      await this.#open();
      if (this.#ended === null) this.#options.logger.log("info", "telemetry_thread_restarted");
      else this.#thread?.end();
    } catch (error) {
      this.#options.logger.log("warn", "telemetry_failed", { error });
      this.#restartLater(this.#restartMs);
    }
  }
}
