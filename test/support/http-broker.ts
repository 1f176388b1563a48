import { createAuthenticator } from "../../broker/auth/create-authenticator.ts";
import { Broker } from "../../broker/broker.ts";
import { buildConfig } from "../../broker/config/config.ts";
import type { BrokerConfig, ConfigInput } from "../../broker/config/config.ts";
import { createHttpHandler } from "../../broker/http/create-http-handler.ts";
import { createOriginRule } from "../../broker/http/origin.ts";
import { systemClock } from "../../broker/ports.ts";
import type { Authenticator, Clock, TransformRunner } from "../../broker/ports.ts";
import { renderMetrics } from "../../otel/prometheus.ts";
import type { MetricsText } from "../../otel/prometheus.ts";
import { processSnapshot } from "../../otel/snapshot.ts";
import { MemoryLogger } from "./memory-logger.ts";

export interface HttpBrokerOptions extends ConfigInput {
  readonly clock?: Clock;
  readonly runner?: TransformRunner;
  readonly bodyTimeoutMs?: number;
  /** In the place of what /metrics answers. */
  readonly metricsText?: (accept: string | null) => MetricsText;
}

/** A broker of the real parts whose HTTP handler can be looked into: its log, and limits made short. */
export class HttpBroker implements AsyncDisposable {
  readonly broker: Broker;
  readonly config: BrokerConfig;
  readonly logger: MemoryLogger;
  readonly authenticator: Authenticator;

  private constructor(
    broker: Broker,
    config: BrokerConfig,
    logger: MemoryLogger,
    authenticator: Authenticator,
  ) {
    this.broker = broker;
    this.config = config;
    this.logger = logger;
    this.authenticator = authenticator;
  }

  static async start(options: HttpBrokerOptions = {}): Promise<HttpBroker> {
    const { clock = systemClock, bodyTimeoutMs = 10_000, metricsText, runner, ...input } = options;
    const config = buildConfig({ port: 0, log: "silent", ...input });
    const logger = new MemoryLogger();
    const authenticator = createAuthenticator(config, clock, logger);
    const broker = new Broker({
      config,
      authenticator,
      createHttpHandler: (api, authGate) =>
        createHttpHandler({
          api,
          config,
          authGate,
          logger,
          clock,
          bodyTimeoutMs,
          metricsText:
            metricsText ??
            ((accept) =>
              renderMetrics(
                {
                  stats: api.stats,
                  shards: api.health().shards,
                  transforms: api.transforms(),
                  process: processSnapshot("test"),
                },
                accept,
              )),
        }),
      isOriginAllowed: createOriginRule(config),
      logger,
      clock,
      ...(runner === undefined ? {} : { transforms: runner }),
    });
    await broker.start();
    return new HttpBroker(broker, config, logger, authenticator);
  }

  get url(): string {
    return this.broker.url;
  }

  get httpUrl(): string {
    return this.broker.url.replace(/^ws:/, "http:");
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.httpUrl + path, init);
  }

  /** Sends a JSON body with these headers. */
  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.stop();
  }
}
