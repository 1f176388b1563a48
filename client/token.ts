import type { ClientClock } from "./clock.ts";
import { TickwireError } from "./errors.ts";

/** An access token, or a function that gets a new one. */
export type TokenOption = string | (() => Promise<string> | string);

/** A cached token with less time left than this is not used for a new connection, ms. */
const MIN_LEFT_MS = 5000;

/**
 * Where the access token comes from. A token the application's function gave is used again until it expires or
 * is refused, so that a reconnect storm does not become a storm on whoever issues tokens.
 */
export class TokenSource {
  readonly #token: TokenOption | undefined;
  readonly #clock: ClientClock;
  #cached: string | null = null;
  #expiresAtMs = Infinity;

  constructor(token: TokenOption | undefined, clock: ClientClock) {
    this.#token = token;
    this.#clock = clock;
  }

  /** Whether a refused or expired token can be replaced. */
  get isRenewable(): boolean {
    return typeof this.#token === "function";
  }

  /**
   * The token for the next connection; null to connect without.
   * @throws TickwireError `token_failed`
   */
  async get(): Promise<string | null> {
    if (typeof this.#token !== "function") return this.#token ?? null;
    const isFresh = this.#clock.nowMs() < this.#expiresAtMs - MIN_LEFT_MS;
    return this.#cached !== null && isFresh ? this.#cached : this.#renew(this.#token);
  }

  async #renew(token: () => Promise<string> | string): Promise<string> {
    this.forget();
    try {
      this.#cached = await token();
      return this.#cached;
    } catch (error) {
      throw new TickwireError("token_failed", "the token function failed", {
        retry: "backoff",
        cause: error,
      });
    }
  }

  /** The broker said how long the current token is good for, ms; 0 for no end. */
  accepted(expiresInMs: number): void {
    this.#expiresAtMs = expiresInMs === 0 ? Infinity : this.#clock.nowMs() + expiresInMs;
  }

  /** The next `get` asks for a new token: the cached one was refused or is about to expire. */
  forget(): void {
    this.#cached = null;
    this.#expiresAtMs = Infinity;
  }
}
