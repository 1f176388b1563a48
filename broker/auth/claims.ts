import { isChannelPattern } from "../../protocol/channel-name.ts";

/** The claims of a token that the broker reads, besides `exp` and what names issuer and audience. */
export interface TokenClaims {
  /** `sub`; taken literally, also when it looks like a pattern. */
  readonly user: string;
  /** `jti`. */
  readonly tokenId: string | null;
  /** `iat` in ms since 1970; 0 when absent. */
  readonly issuedAtMs: number;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly presence: readonly string[];
  readonly isAdmin: boolean;
  readonly mayTrace: boolean;
}

/** A claim is missing or not what it must be. The message may be shown to who holds the token. */
export class BadClaims extends Error {
  override readonly name = "BadClaims";
}

/** Bytes of a user name or token id. */
export const MAX_ID_BYTES = 256;

/** Channel patterns of one kind in one token. */
const MAX_PATTERNS = 64;

/** Reads the claims of a verified token. @throws BadClaims */
export function readClaims(payload: Readonly<Record<string, unknown>>): TokenClaims {
  const rights = payload["tickwire"] ?? {};
  if (typeof rights !== "object" || Array.isArray(rights))
    throw new BadClaims("the claim tickwire must be an object");
  const {
    publish,
    subscribe,
    presence,
    admin = false,
    trace = false,
  } = rights as Record<string, unknown>;
  if (typeof admin !== "boolean") throw new BadClaims("the claim tickwire.admin must be a boolean");
  if (typeof trace !== "boolean") throw new BadClaims("the claim tickwire.trace must be a boolean");
  return {
    user: idClaim(payload["sub"], "sub"),
    tokenId: payload["jti"] === undefined ? null : idClaim(payload["jti"], "jti"),
    issuedAtMs: issuedAt(payload["iat"]),
    publish: patternsClaim(publish, "publish"),
    subscribe: patternsClaim(subscribe, "subscribe"),
    presence: patternsClaim(presence, "presence"),
    isAdmin: admin,
    mayTrace: trace || admin,
  };
}

/** A user name or token id. @throws BadClaims */
export function idClaim(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "" || Buffer.byteLength(value) > MAX_ID_BYTES)
    throw new BadClaims(`the claim ${name} must be a text of 1 to ${MAX_ID_BYTES} bytes`);
  return value;
}

function issuedAt(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value !== "number" || !(value >= 0 && value <= Number.MAX_SAFE_INTEGER / 1000))
    throw new BadClaims("the claim iat must be a time in seconds");
  return value * 1000;
}

/** Channel names and patterns of one kind. @throws BadClaims */
export function patternsClaim(value: unknown, kind: string): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_PATTERNS)
    throw new BadClaims(
      `the claim tickwire.${kind} must be a list of at most ${MAX_PATTERNS} patterns`,
    );
  return value.map((item: unknown) => {
    if (typeof item !== "string" || !isChannelPattern(item))
      throw new BadClaims(`the claim tickwire.${kind} holds something that is no channel pattern`);
    return item;
  });
}
