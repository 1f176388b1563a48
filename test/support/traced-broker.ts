import { createAuthenticator } from "../../broker/auth/create-authenticator.ts";
import { Broker } from "../../broker/broker.ts";
import { buildConfig } from "../../broker/config/config.ts";
import type { ConfigInput } from "../../broker/config/config.ts";
import type { Engine } from "../../broker/engine/engine.ts";
import { createHttpHandler } from "../../broker/http/create-http-handler.ts";
import { silentLogger, systemClock } from "../../broker/ports.ts";
import type { TransformRunner } from "../../broker/ports.ts";
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
  readonly runner?: TransformRunner;
  readonly engine?: Engine;
  /** Whether its clients need tokens. */
  readonly hasTokens?: boolean;
}

/** A whole broker whose traces are collected, as if somebody exported them. */
export async function startTracedBroker(input: TracedBrokerOptions = {}): Promise<TracedBroker> {
  const { collector = new TraceCollector(), runner, engine, hasTokens = false, ...rest } = input;
  const config = buildConfig({
    port: 0,
    log: "silent",
    traceRate: 0,
    maxConnectionsPerUser: 0,
    ...(hasTokens ? { tokenSecret: TOKEN_SECRET } : {}),
    ...rest,
  });
  const logger = silentLogger;
  const authenticator = createAuthenticator(config, systemClock, logger);
  const broker = new Broker({
    config,
    authenticator,
    createHttpHandler: (api) =>
      createHttpHandler({
        api,
        config,
        authenticator,
        logger,
        metricsText: () => ({ text: "", contentType: "text/plain" }),
      }),
    isOriginAllowed: () => true,
    traceSink: collector,
    ...(runner === undefined ? {} : { transforms: runner }),
    ...(engine === undefined ? {} : { engine }),
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
