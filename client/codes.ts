import type { RetryAdvice } from "../protocol/codes.ts";

/**
 * The part of the code registry a client needs. The registry also has texts for people and HTTP statuses, a
 * kilobyte that every page would load for nothing; test/client/codes.test.ts holds the two together.
 */
const names: Readonly<Record<number, string>> = {
  // One after the other from the number on; the gaps are codes that only answer commands.
  4000: "bad_frame unauthorized unsupported_version forbidden    bad_channel     revoked too_large    disconnected",
  4100: "internal slow no_pong too_many_requests overloaded unavailable  connection_limit  token_expired",
  4200: "drain rebalance resync",
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
  const place = code % 100;
  const name = names[code - place]?.split(" ")[place];
  return name || (code < 4000 ? "connection_lost" : `code_${code}`);
}

/** What to do after a code, from its range alone [P-8]. */
export function retryAdvice(code: number): RetryAdvice {
  if (code >= 4000 && code < 4100) return "never";
  return code >= 4200 && code < 4300 ? "now" : "backoff";
}
