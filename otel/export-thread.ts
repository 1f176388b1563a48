import { Worker } from "node:worker_threads";

import type { ExportCommand, ExportEvent, ExportOptions } from "./export-messages.ts";
import type { Logger } from "./logger.ts";

const ENTRY = new URL("exporter.entry.ts", import.meta.url);

/** Loading the SDK takes 0.2 s, and on a machine that is busy a multiple of that. */
const START_MS = 15_000;

export interface ExportThreadOptions extends ExportOptions {
  /** The thread's own: the SDK's exporters read headers, timeouts and certificates from it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  readonly onEvent: (event: ExportEvent & { readonly type: "settled" | "read" }) => void;
  /** It ended by itself. */
  readonly onLost: (error: Error) => void;
  /** What runs in the thread; default: the exporter. */
  readonly entry?: URL;
}

/** The thread that exports, as the broker's thread sees it. It keeps no process alive. */
export class ExportThread {
  readonly #worker: Worker;
  readonly #options: ExportThreadOptions;
  readonly #started = Promise.withResolvers<void>();
  readonly #waiting = new Map<number, (isWell: boolean) => void>();
  #nextId = 1;
  #isOver = false;

  private constructor(options: ExportThreadOptions) {
    this.#options = options;
    const { settings, version, node, diagnosticLevel, env, entry = ENTRY } = options;
    const workerData: ExportOptions = { settings, version, node, diagnosticLevel };
    const given = Object.entries(env).filter(
      (one): one is [string, string] => one[1] !== undefined,
    );
    // In this order of importance: small, then fast.
    const kind = { name: "otel-exporter", smol: true };
    this.#worker = new Worker(entry, { ...kind, workerData, env: Object.fromEntries(given) });
    this.#worker.on("message", (event: ExportEvent) => this.#hear(event));
    this.#worker.on("error", (error) => this.#lost(asError(error)));
    this.#worker.on("exit", (code) => this.#lost(new Error(`the thread ended with code ${code}`)));
    this.#worker.unref();
  }

  /** @throws Error when the SDK cannot be started */
  static async start(options: ExportThreadOptions): Promise<ExportThread> {
    const thread = new ExportThread(options);
    const { promise, reject } = thread.#started;
    const timer = setTimeout(() => reject(new Error("it does not start")), START_MS);
    try {
      await promise;
    } catch (error) {
      thread.end();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return thread;
  }

  /** @throws DataCloneError for what is no plain data */
  send(command: ExportCommand): void {
    if (!this.#isOver) this.#worker.postMessage(command, []);
  }

  /** Whether it did what it was asked, well and in time; never rejects. */
  async ask(type: "flush" | "shutdown", withinMs: number): Promise<boolean> {
    if (this.#isOver) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const id = this.#nextId++;
    this.#waiting.set(id, resolve);
    const timer = setTimeout(() => resolve(false), withinMs);
    this.send({ type, id });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Without waiting for anything. */
  end(): void {
    this.#isOver = true;
    this.#abandon();
    void this.#worker.terminate();
  }

  #hear(event: ExportEvent): void {
    switch (event.type) {
      case "started":
        this.#started.resolve();
        break;
      case "not-started":
        this.#started.reject(new Error(event.message));
        break;
      case "done":
        this.#waiting.get(event.id)?.(event.isWell);
        break;
      case "log":
        this.#options.logger.log(event.level, event.event, event.fields);
        break;
      default:
        this.#options.onEvent(event);
    }
  }

  #lost(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#started.reject(error);
    this.#abandon();
    this.#options.onLost(error);
  }

  #abandon(): void {
    for (const resolve of this.#waiting.values()) resolve(false);
    this.#waiting.clear();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
