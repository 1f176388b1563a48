import type { Broker } from "../../broker/broker.ts";
import { buildConfig } from "../../broker/config/config.ts";
import type { ConfigInput } from "../../broker/config/config.ts";
import { createBroker } from "../../broker/main.ts";
import type { DeliveryTrace, TraceSink } from "../../broker/tracing/delivery-trace.ts";
import { TOKEN_SECRET } from "./tokens.ts";

/** Keeps every part of every trace, and wakes whoever waits for one. */
export class TraceCollector implements TraceSink {
  readonly traces: DeliveryTrace[] = [];
  readonly #waiters: { isDone: () => boolean; resolve: () => void }[] = [];

  trace(delivery: DeliveryTrace): void {
    this.traces.push(delivery);
    for (const waiter of this.#waiters.slice()) {
      if (!waiter.isDone()) continue;
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }

  /** Resolves to the parts that fit, once there are so many. */
  async until(
    fits: (trace: DeliveryTrace) => boolean = () => true,
    count = 1,
  ): Promise<readonly DeliveryTrace[]> {
    const isDone = (): boolean => this.traces.filter(fits).length >= count;
    if (!isDone()) await new Promise<void>((resolve) => this.#waiters.push({ isDone, resolve }));
    return this.traces.filter(fits);
  }

  /** The first part that fits. */
  async first(fits?: (trace: DeliveryTrace) => boolean): Promise<DeliveryTrace> {
    return (await this.until(fits))[0] as DeliveryTrace;
  }
}

export interface TracedBroker extends AsyncDisposable {
  readonly broker: Broker;
  readonly url: string;
  readonly httpUrl: string;
  readonly collector: TraceCollector;
}

export interface TracedBrokerOptions extends ConfigInput {
  /** Default: one of its own. */
  readonly collector?: TraceCollector;
  /** Whether its clients need tokens. */
  readonly hasTokens?: boolean;
}

/** A whole broker whose traces are collected, as if somebody exported them. By itself it makes none. */
export async function startTracedBroker(input: TracedBrokerOptions = {}): Promise<TracedBroker> {
  const { collector = new TraceCollector(), hasTokens = false, ...rest } = input;
  const config = buildConfig({
    port: 0,
    log: "silent",
    traceRate: 0,
    // A machine under load is slow at any moment: who wants to see that asks for it.
    slowMs: 0,
    maxConnectionsPerUser: 0,
    ...(hasTokens ? { tokenSecret: TOKEN_SECRET } : {}),
    ...rest,
  });
  const broker = createBroker(config, {
    telemetry: {
      sink: collector,
      spans: { exported: 0, failed: 0, dropped: 0, waiting: 0 },
      readMetricsFrom: () => {},
      flush: () => Promise.resolve(true),
      shutdown: () => Promise.resolve(true),
    },
  });
  await broker.start();
  return {
    broker,
    url: broker.url,
    httpUrl: broker.url.replace(/^ws:/, "http:"),
    collector,
    [Symbol.asyncDispose]: () => broker.stop(),
  };
}
