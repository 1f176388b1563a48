import { createAuthenticator } from "./auth/create-authenticator.ts";
import { Broker } from "./broker.ts";
import type { BrokerConfig } from "./config/config.ts";
import { silentLogger, systemClock } from "./ports.ts";
import type { Clock, Logger } from "./ports.ts";

export interface BrokerOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/**
 * The composition root: makes a broker of the real parts its configuration asks for. It does not listen
 * before `start`.
 */
export function createBroker(config: BrokerConfig, options: BrokerOptions = {}): Broker {
  const { clock = systemClock, logger = silentLogger } = options;
  const authenticator = createAuthenticator(config, clock, logger);
  return new Broker({
    config,
    authenticator,
    createHttpHandler: () => async () => new Response("not found\n", { status: 404 }),
    isOriginAllowed: () => true,
    logger,
    clock,
  });
}
