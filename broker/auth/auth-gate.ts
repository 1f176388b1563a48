import { Code } from "../../protocol/codes.ts";
import { LruMap } from "../lru-map.ts";
import { AccessError } from "../ports.ts";
import type { Authenticator, Clock, Identity, Logger } from "../ports.ts";
import { RateLimit } from "../rate-limit.ts";
import type { Stats } from "../stats.ts";

/** Addresses remembered, some 200 bytes each; only those with failures are. */
const MAX_ADDRESSES = 16_384;

/** One address is logged at most this often, ms. */
const LOG_INTERVAL_MS = 60_000;

/** Lines of all addresses together: so many at once, and this rate on average. */
const LOG_LINES = 10;
const LOG_LINES_PER_S = 1 / 6;

export interface AuthGateParts {
  readonly authenticator: Authenticator;
  /** Per minute and key, and as many at once; 0 for no limit. */
  readonly failureRate: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: Stats;
  readonly maxAddresses?: number;
}

/** One address that failed. */
interface Failures {
  readonly limit: RateLimit;
  /** Attempts refused since the last line about it. */
  refused: number;
  /** When it may be logged again, by the monotonic clock. */
  logFromMs: number;
}

/**
 * Stands before whatever looks at a credential: an address that failed too often is refused without a look.
 *
 * Failures count when they are known, so attempts already under way are let finish. They come out of a bucket that
 * fills all the time: an address that is over the rate gets one attempt per failure that has been forgiven, and
 * is never out for longer than that takes. A token verified lately passes in any case, which costs a hash: who
 * shares an address with an attacker keeps the connections they have had.
 */
export class AuthGate {
  readonly #parts: AuthGateParts;
  readonly #addresses: LruMap<Failures>;
  readonly #lines: RateLimit;

  constructor(parts: AuthGateParts) {
    this.#parts = parts;
    this.#addresses = new LruMap(parts.maxAddresses ?? MAX_ADDRESSES);
    this.#lines = new RateLimit(LOG_LINES_PER_S, LOG_LINES, parts.clock.nowMs());
  }

  /** Addresses remembered now. */
  get addressCount(): number {
    return this.#addresses.size;
  }

  /**
   * Admits and verifies.
   * @param key from `failureKey`; null is never refused here
   * @throws AccessError too_many_requests without a look at the token, or as the authenticator does
   */
  async authenticate(token: string | null, key: string | null): Promise<Identity> {
    if (token !== null) this.admit(token, key);
    return this.verify(token, key);
  }

  /** @throws AccessError too_many_requests when no credential from there may be looked at now */
  admit(credential: string, key: string | null): void {
    const failures = key === null ? undefined : this.#addresses.peek(key);
    if (key === null || failures === undefined) return;
    const { clock, authenticator, stats } = this.#parts;
    const retryAfterMs = failures.limit.waitMs(1, clock.nowMs());
    if (retryAfterMs === 0 || authenticator.isKnown?.(credential) === true) return;
    failures.refused++;
    stats.rateRefused("auth_failures");
    this.#log(key, failures);
    const message = "too many failed authentications from this address; try again later";
    throw new AccessError(Code.tooManyRequests, message, { retryAfterMs });
  }

  /** Verifies a token that was admitted; a failure counts. @throws AccessError as the authenticator does */
  async verify(token: string | null, key: string | null): Promise<Identity> {
    try {
      return await this.#parts.authenticator.authenticate(token);
    } catch (error) {
      // Who sends no token guesses nothing, and costs nothing.
      if (token !== null && error instanceof AccessError) this.failed(error, key);
      throw error;
    }
  }

  /** A credential was looked at and not accepted. What the broker itself could not do counts against nobody. */
  failed({ info }: AccessError, key: string | null): void {
    const isTheirs =
      info === Code.unauthorized || info === Code.tokenExpired || info === Code.revoked;
    if (!isTheirs) return;
    const { failureRate, clock, stats } = this.#parts;
    stats.authFailed(info);
    // It was signed for somebody, who is told to come back with a newer one: many may be late together.
    if (info === Code.tokenExpired) return;
    if (key === null || failureRate === 0) return;
    const nowMs = clock.nowMs();
    const failures = this.#addresses.use(key, () => ({
      limit: new RateLimit(failureRate / 60, failureRate, nowMs),
      refused: 0,
      logFromMs: nowMs,
    }));
    // Below zero it never goes: those under way when the bucket ran dry lock nobody out for longer.
    failures.limit.take(1, nowMs);
  }

  #log(key: string, failures: Failures): void {
    const { clock, logger } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs < failures.logFromMs || this.#lines.take(1, nowMs) > 0) return;
    logger.log("warn", "auth_failures_limited", { address: key, refused: failures.refused });
    failures.logFromMs = nowMs + LOG_INTERVAL_MS;
    failures.refused = 0;
  }
}
