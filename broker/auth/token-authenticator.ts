import { errors, jwtVerify } from "jose";
import type { JWTPayload } from "jose";

import { Code } from "../../protocol/codes.ts";
import { MAX_TOKEN_BYTES } from "../../protocol/limits.ts";
import { AccessError } from "../ports.ts";
import type { Authenticator, Clock, Identity } from "../ports.ts";
import type { TokenAlgorithm } from "./algorithms.ts";
import { BadClaims, readClaims } from "./claims.ts";
import { compileGrants } from "./grants.ts";
import { IdentityCache } from "./identity-cache.ts";
import type { KeySource } from "./keys.ts";
import { Revocations } from "./revocations.ts";

export interface TokenRules {
  /** Never empty: a token's own header must not choose how it is verified. */
  readonly algorithms: readonly TokenAlgorithm[];
  readonly issuer: string | null;
  readonly audience: string | null;
  readonly clockToleranceS: number;
  readonly maxAgeS: number;
}

/** Who a connection is, from a signed token [P-4]. */
export class TokenAuthenticator implements Authenticator {
  readonly #rules: TokenRules;
  readonly #keys: KeySource;
  readonly #clock: Clock;
  readonly #revocations: Revocations;
  readonly #cache = new IdentityCache();
  #cacheGeneration = 0;

  constructor(rules: TokenRules, keys: KeySource, clock: Clock) {
    this.#rules = rules;
    this.#keys = keys;
    this.#clock = clock;
    // The tolerance counts twice: towards how long a token may live, and in when it is over.
    this.#revocations = new Revocations(clock, (rules.maxAgeS + 2 * rules.clockToleranceS) * 1000);
  }

  async authenticate(token: string | null): Promise<Identity> {
    if (token === null) throw refused("a token is needed");
    // Characters first: a token is ASCII, and nothing longer may cost more than this comparison.
    if (token.length > MAX_TOKEN_BYTES)
      throw refused(`a token has at most ${MAX_TOKEN_BYTES} bytes`);
    const key = IdentityCache.keyOf(token);
    const identity = this.#cached(key) ?? (await this.#verify(token, key));
    if (this.isRevoked(identity)) throw new AccessError(Code.revoked);
    return identity;
  }

  isKnown(token: string): boolean {
    if (token.length > MAX_TOKEN_BYTES) return false;
    const identity = this.#cached(IdentityCache.keyOf(token));
    return identity !== null && !this.isRevoked(identity);
  }

  isRevoked(identity: Identity): boolean {
    return this.#revocations.has(identity);
  }

  revoke(target: { readonly user?: string; readonly tokenId?: string }, atMs?: number): void {
    this.#revocations.add(target, atMs);
  }

  #cached(key: string): Identity | null {
    if (this.#cacheGeneration !== this.#keys.generation) {
      this.#cache.clear();
      this.#cacheGeneration = this.#keys.generation;
    }
    return this.#cache.get(key, this.#clock.wallMs());
  }

  async #verify(token: string, key: string): Promise<Identity> {
    const { algorithms, issuer, audience, clockToleranceS } = this.#rules;
    const { generation } = this.#keys;
    try {
      const { payload } = await jwtVerify(token, (header, jws) => this.#keys.find(header, jws), {
        algorithms: [...algorithms],
        requiredClaims: ["sub", "exp"],
        clockTolerance: clockToleranceS,
        currentDate: new Date(this.#clock.wallMs()),
        ...(issuer === null ? {} : { issuer }),
        ...(audience === null ? {} : { audience }),
      });
      const identity = this.#identity(payload);
      // With keys replaced meanwhile it is not known which ones verified this token.
      if (generation === this.#keys.generation) this.#cache.set(key, identity);
      return identity;
    } catch (error) {
      throw accessError(error);
    }
  }

  /** Checks what jose does not: it takes any number for `exp`, Infinity included. */
  #identity(payload: JWTPayload): Identity {
    const { clockToleranceS, maxAgeS } = this.#rules;
    const { exp } = payload;
    const claims = readClaims(payload);
    const nowMs = this.#clock.wallMs();
    const longestMs = (maxAgeS + clockToleranceS) * 1000;
    if (!Number.isSafeInteger(exp)) throw new BadClaims("the claim exp must be a whole number");
    const expiresMs = (exp as number) * 1000;
    if (claims.issuedAtMs > nowMs + clockToleranceS * 1000)
      throw new BadClaims("the claim iat is in the future");
    // Counted from iat as well, so that no token outlives the revocation of its user.
    if (
      expiresMs > nowMs + longestMs ||
      (claims.issuedAtMs > 0 && expiresMs > claims.issuedAtMs + longestMs)
    )
      throw new BadClaims(`the token lives longer than ${maxAgeS} s`);
    return Object.freeze({
      user: claims.user,
      grants: compileGrants(claims),
      // With the tolerance, so that a token just accepted does not end the connection at once.
      expiresAtMs: expiresMs + clockToleranceS * 1000,
      issuedAtMs: claims.issuedAtMs,
      tokenId: claims.tokenId,
      isAdmin: claims.isAdmin,
      mayTrace: claims.mayTrace,
    });
  }
}

function refused(message: string, cause?: unknown): AccessError {
  return new AccessError(Code.unauthorized, message, { cause });
}

/** Says about claims what is wrong, since their signature held; about anything else only that it is. */
function accessError(error: unknown): AccessError {
  if (error instanceof AccessError) return error;
  if (error instanceof errors.JWTExpired) return new AccessError(Code.tokenExpired);
  if (error instanceof BadClaims) return refused(error.message, error);
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(`the claim ${error.claim} is missing or not accepted`, error);
  return refused("the token is not valid", error);
}
