import { BrokerProcess, tickwireCommand } from "../broker-process.ts";
import { MAX_SILENCE_MS } from "../cell.ts";
import { generate } from "../generator-process.ts";
import type { LoadJob, LoadResult } from "../load/job.ts";
import type { Shape } from "../shapes.ts";
import type { Children } from "../support/children.ts";
import type { Pinning } from "../support/environment.ts";
import type { Runner, TimeSlices } from "./time-slices.ts";
import { tracingModes } from "./tracing-options.ts";
import type { TracingBenchOptions, TracingMode } from "./tracing-options.ts";

export interface TracingCell {
  readonly round: number;
  readonly mode: TracingMode;
  readonly shape: Shape;
}

export interface TracingCellResult {
  readonly cell: TracingCell;
  /** Null when the cell could not be run; `error` says why. */
  readonly load: LoadResult | null;
  /** Requests that the collector had. */
  readonly exports: number;
  readonly error: string | null;
}

export interface TracingCellContext {
  readonly options: TracingBenchOptions;
  readonly children: Children;
  readonly pinning: Pinning | null;
  readonly secret: string;
}

/** Takes what is exported, and says that all is well. */
class Collector implements Disposable {
  requests = 0;
  readonly #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      await request.arrayBuffer();
      this.requests++;
      return new Response(new Uint8Array(0), {
        headers: { "Content-Type": "application/x-protobuf" },
      });
    },
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }
}

/** A broker and its collector, ready for the load. */
export class TracingCellRun implements AsyncDisposable {
  readonly #context: TracingCellContext;
  readonly #cell: TracingCell;
  readonly #collector: Collector;
  readonly #broker: BrokerProcess;

  private constructor(
    context: TracingCellContext,
    cell: TracingCell,
    collector: Collector,
    broker: BrokerProcess,
  ) {
    this.#context = context;
    this.#cell = cell;
    this.#collector = collector;
    this.#broker = broker;
  }

  /** @throws Error with what the broker said, when it does not start */
  static async start(context: TracingCellContext, cell: TracingCell): Promise<TracingCellRun> {
    const { options, children, pinning, secret } = context;
    const collector = new Collector();
    try {
      const broker = await BrokerProcess.start(children, {
        command: tickwireCommand(options.entry),
        env: { TICKWIRE_TOKEN_SECRET: secret, ...settings(cell.mode, collector.url) },
        processor: pinning?.broker ?? null,
        profileDir: null,
      });
      return new TracingCellRun(context, cell, collector, broker);
    } catch (error) {
      collector[Symbol.dispose]();
      throw error;
    }
  }

  /** Puts the load on it, in its turns. Never rejects. */
  async measure(slices: TimeSlices): Promise<TracingCellResult> {
    const { children, pinning } = this.#context;
    let runner: Runner = [];
    try {
      const load = await generate(children, this.#job(), pinning?.load ?? null, (generator) => {
        runner = [this.#broker, generator];
        slices.add(runner);
      });
      return { cell: this.#cell, load, exports: this.#collector.requests, error: null };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { cell: this.#cell, load: null, exports: this.#collector.requests, error: message };
    } finally {
      slices.remove(runner);
    }
  }

  #job(): LoadJob {
    const { options, secret } = this.#context;
    const { shape } = this.#cell;
    return {
      dialect: "tickwire",
      hostname: "127.0.0.1",
      port: this.#broker.port,
      brokerPid: this.#broker.pid,
      access: { type: "secret", secret },
      publishers: shape.publishers,
      subscribersPerChannel: shape.subscribersPerChannel,
      payloadBytes: options.payloadBytes,
      framesPerMessage: 1,
      pace: { type: "closed", windowSize: shape.windowSize },
      warmUpMs: options.warmUpMs * tracingModes.length,
      measureMs: options.measureMs * tracingModes.length,
      maxSilenceMs: MAX_SILENCE_MS,
      subscribeAt: null,
      redisUrls: [],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker[Symbol.asyncDispose]();
    this.#collector[Symbol.dispose]();
  }
}

/**
 * A broker is traced by the clock, and runs for a part of the time only: with all its budget it would trace
 * that much more of its publications. (2 of 10.)
 */
const TRACES_PER_SECOND = Math.ceil(10 / tracingModes.length);

/**
 * As long as waiting spans wait, in the time that a broker runs: exporting costs by the request, and with the clock's
 * delay there would be that many more of them for the same work. ms
 */
const EXPORT_DELAY_MS = 1000 * tracingModes.length;

/** What was on its way while its broker was stopped is late, and is not to be traced for that. ms */
const SLOW_MS = 600_000;

function settings(mode: TracingMode, url: string): Record<string, string> {
  const exporting = {
    TICKWIRE_SLOW_MS: `${SLOW_MS}`,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces`,
    OTEL_BSP_SCHEDULE_DELAY: `${EXPORT_DELAY_MS}`,
  };
  switch (mode) {
    case "off":
    case "control":
      return { TICKWIRE_FLIGHT_RECORDER: "0" };
    case "recorder":
      return { TICKWIRE_SLOW_MS: `${SLOW_MS}` };
    case "unsampled":
      return { ...exporting, TICKWIRE_TRACE_RATE: "0" };
    case "sampled":
      return {
        ...exporting,
        TICKWIRE_TRACE_RATE: "0.001",
        TICKWIRE_TRACES_PER_SECOND: `${TRACES_PER_SECOND}`,
      };
  }
}
