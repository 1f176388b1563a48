import type { BrokerConfig } from "../config/config.ts";
import { allowedAlgorithms } from "../config/rules.ts";
import type { Authenticator, Clock, Logger } from "../ports.ts";
import { AnonymousAuthenticator } from "./anonymous-authenticator.ts";
import { JwksKeys } from "./jwks-keys.ts";
import { StaticKey } from "./keys.ts";
import type { KeySource } from "./keys.ts";
import { TokenAuthenticator } from "./token-authenticator.ts";

/** For one fetch of keys; clients wait for the first one. */
const JWKS_TIMEOUT_MS = 5000;

/** The authenticator the configuration asks for. */
export function createAuthenticator(
  config: BrokerConfig,
  clock: Clock,
  logger: Logger,
): Authenticator {
  const keys = keySource(config, clock, logger);
  if (keys === null) return new AnonymousAuthenticator();
  const rules = {
    algorithms: allowedAlgorithms(config),
    issuer: config.tokenIssuer,
    audience: config.tokenAudience,
    clockToleranceS: config.tokenClockToleranceS,
    maxAgeS: config.tokenMaxAgeS,
  };
  return new TokenAuthenticator(rules, keys, clock);
}

function keySource(config: BrokerConfig, clock: Clock, logger: Logger): KeySource | null {
  if (config.tokenSecret !== null) return StaticKey.ofSecret(config.tokenSecret);
  if (config.tokenPublicKey !== null) return StaticKey.ofPublicKey(config.tokenPublicKey);
  if (config.jwksUrl === null) return null;
  return new JwksKeys({
    url: config.jwksUrl,
    maxAgeMs: config.jwksCacheMaxAgeS * 1000,
    cooldownMs: config.jwksCooldownS * 1000,
    timeoutMs: JWKS_TIMEOUT_MS,
    clock,
    logger,
  });
}
