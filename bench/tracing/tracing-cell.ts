import { BrokerProcess, tickwireCommand } from "../broker-process.ts";
import { MAX_SILENCE_MS } from "../cell.ts";
import { generate } from "../generator-process.ts";
import type { LoadResult } from "../load/job.ts";
import type { Shape } from "../shapes.ts";
import type { Children } from "../support/children.ts";
import type { Pinning } from "../support/environment.ts";
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

/** Runs one cell with a broker, a generator and a collector for it alone. Never rejects. */
export async function runTracingCell(
  context: TracingCellContext,
  cell: TracingCell,
): Promise<TracingCellResult> {
  using collector = new Collector();
  try {
    const load = await measure(context, cell, collector);
    return { cell, load, exports: collector.requests, error: null };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { cell, load: null, exports: collector.requests, error: message };
  }
}

async function measure(
  { options, children, pinning, secret }: TracingCellContext,
  { mode, shape }: TracingCell,
  collector: Collector,
): Promise<LoadResult> {
  await using broker = await BrokerProcess.start(children, {
    command: tickwireCommand(options.entry),
    env: { TICKWIRE_TOKEN_SECRET: secret, ...settings(mode, collector.url) },
    processor: pinning?.broker ?? null,
    profileDir: null,
  });
  const job = {
    dialect: "tickwire" as const,
    hostname: "127.0.0.1",
    port: broker.port,
    brokerPid: broker.pid,
    access: { type: "secret" as const, secret },
    publishers: shape.publishers,
    subscribersPerChannel: shape.subscribersPerChannel,
    payloadBytes: options.payloadBytes,
    framesPerMessage: 1,
    pace: { type: "closed" as const, windowSize: shape.windowSize },
    warmUpMs: options.warmUpMs,
    measureMs: options.measureMs,
    maxSilenceMs: MAX_SILENCE_MS,
    subscribeAt: null,
    redisUrls: [],
  };
  return await generate(children, job, pinning?.load ?? null);
}

function settings(mode: TracingMode, url: string): Record<string, string> {
  const exporting = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces` };
  switch (mode) {
    case "off":
      return { TICKWIRE_FLIGHT_RECORDER: "0" };
    case "recorder":
      return {};
    case "unsampled":
      return { ...exporting, TICKWIRE_TRACE_RATE: "0" };
    case "sampled":
      return { ...exporting, TICKWIRE_TRACE_RATE: "0.001" };
  }
}
