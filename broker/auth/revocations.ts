import { Code } from "../../protocol/codes.ts";
import { AccessError } from "../ports.ts";
import type { Clock, Identity } from "../ports.ts";

/** Revocations of one kind in force at once; each is kept until no token it concerns can be valid. */
const MAX_REVOCATIONS = 100_000;

/**
 * Users and token ids that were revoked. Revoking a user refuses the tokens issued before; one issued
 * in the same second counts as before, because `iat` cannot tell.
 */
export class Revocations {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #max: number;
  /**
   * Wall clock ms of the revocation. Oldest first, as far as they were made here: entries are re-inserted when
   * revoked again. One heard of late is let go of late.
   */
  readonly #users = new Map<string, number>();
  readonly #tokenIds = new Map<string, number>();

  /** `ttlMs`: the longest a token may live after it was issued. */
  constructor(clock: Clock, ttlMs: number, max = MAX_REVOCATIONS) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#max = max;
  }

  get size(): number {
    return this.#users.size + this.#tokenIds.size;
  }

  /**
   * @param atMs wall clock ms of the revocation; one of before a known one changes nothing
   * @throws AccessError overloaded when full of revocations that are still needed
   */
  add(
    target: { readonly user?: string; readonly tokenId?: string },
    atMs = this.#clock.wallMs(),
  ): void {
    if (target.user !== undefined) this.#remember(this.#users, target.user, atMs);
    if (target.tokenId !== undefined) this.#remember(this.#tokenIds, target.tokenId, atMs);
  }

  has({ user, tokenId, issuedAtMs }: Pick<Identity, "user" | "tokenId" | "issuedAtMs">): boolean {
    if (tokenId !== null && this.#at(this.#tokenIds, tokenId) !== null) return true;
    if (user === null) return false;
    const revokedAtMs = this.#at(this.#users, user);
    return revokedAtMs !== null && issuedAtMs <= revokedAtMs;
  }

  #at(map: ReadonlyMap<string, number>, key: string): number | null {
    const atMs = map.get(key);
    return atMs === undefined || atMs + this.#ttlMs < this.#clock.wallMs() ? null : atMs;
  }

  #remember(map: Map<string, number>, key: string, atMs: number): void {
    const nowMs = this.#clock.wallMs();
    if ((map.get(key) ?? -Infinity) >= atMs) return;
    map.delete(key);
    for (const [oldest, oldestMs] of map) {
      if (oldestMs + this.#ttlMs >= nowMs) break;
      map.delete(oldest);
    }
    if (map.size >= this.#max)
      throw new AccessError(
        Code.overloaded,
        "too many revocations are in force; nothing was revoked",
      );
    map.set(key, atMs);
  }
}
