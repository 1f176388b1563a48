import { createToken } from "../../broker/auth/create-token.ts";

/** Shared by the brokers of the tests and `signToken`. */
export const TOKEN_SECRET = "a secret of the tests, 32 bytes and more";

export interface TokenGrants {
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly presence?: readonly string[];
}

export interface TokenTimes {
  /** Lifetime, s. */
  readonly expS?: number;
  /** When it is issued, ms since 1970; now by default. */
  readonly nowMs?: number;
  readonly jti?: string;
  /** Instead of the brokers' own secret. */
  readonly secret?: string;
}

/** A token that a broker started with TOKEN_SECRET accepts. */
export function signToken(
  sub: string,
  grants: TokenGrants,
  { secret = TOKEN_SECRET, expS = 600, ...times }: TokenTimes = {},
): Promise<string> {
  return createToken({ sub, expS, key: secret, ...grants, ...times });
}

/** May use every channel in every way. */
export const ALL: TokenGrants = { publish: [">"], subscribe: [">"], presence: [">"] };
