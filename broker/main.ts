import { renderPrometheus } from "../otel/prometheus.ts";
import { processSnapshot } from "../otel/snapshot.ts";
import manifest from "../package.json" with { type: "json" };
import { createAuthenticator } from "./auth/create-authenticator.ts";
import { Broker } from "./broker.ts";
import type { BrokerConfig } from "./config/config.ts";
import { createHttpHandler } from "./http/create-http-handler.ts";
import { createOriginRule } from "./http/origin.ts";
import { createLogger } from "./logger.ts";
import { systemClock } from "./ports.ts";
import type { Clock, Logger } from "./ports.ts";

export interface BrokerOptions {
  readonly clock?: Clock;
  /** Default: the one the configuration asks for. */
  readonly logger?: Logger;
}

/**
 * The composition root: makes a broker of the real parts its configuration asks for. It does not listen
 * before `start`.
 */
export function createBroker(config: BrokerConfig, options: BrokerOptions = {}): Broker {
  const { clock = systemClock } = options;
  const { log: form, logLevel: level } = config;
  const logger = options.logger ?? createLogger({ form, level, clock });
  const authenticator = createAuthenticator(config, clock, logger);
  return new Broker({
    config,
    authenticator,
    createHttpHandler: (api) =>
      createHttpHandler({
        api,
        config,
        authenticator,
        logger,
        metricsText: () =>
          renderPrometheus({ stats: api.stats, process: processSnapshot(manifest.version) }),
      }),
    isOriginAllowed: createOriginRule(config),
    logger,
    clock,
  });
}
