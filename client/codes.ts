import type { RetryAdvice } from "../protocol/codes.ts";

/**
 * The part of the code registry a client needs. The registry also has texts for people and HTTP statuses, a
 * kilobyte that every page would load for nothing; test/client/codes.test.ts holds the two together.
 */
const names: Readonly<Record<number, string>> = {
  4000: "bad_frame",
  4001: "unauthorized",
  4002: "unsupported_version",
  4003: "forbidden",
  4007: "bad_channel",
  4012: "revoked",
  4013: "too_large",
  4017: "disconnected",
  4100: "internal",
  4101: "slow",
  4102: "no_pong",
  4103: "too_many_requests",
  4104: "overloaded",
  4105: "unavailable",
  4107: "connection_limit",
  4109: "token_expired",
  4200: "drain",
  4201: "rebalance",
  4202: "resync",
};

/** Codes the SDK treats in a way of their own, or gives itself. */
export const Code = {
  unauthorized: 4001,
  unsupportedVersion: 4002,
  badChannel: 4007,
  tooLarge: 4013,
  noPong: 4102,
  publishUnknown: 4106,
  tokenExpired: 4109,
  drain: 4200,
} as const;

/** Name of a code that closes a connection, or that the SDK gives; one for every other number too. */
export function codeName(code: number): string {
  return names[code] ?? (code < 4000 ? "connection_lost" : `code_${code}`);
}

/** What to do after a code, from its range alone [P-8]. */
export function retryAdvice(code: number): RetryAdvice {
  if (code >= 4000 && code < 4100) return "never";
  return code >= 4200 && code < 4300 ? "now" : "backoff";
}
