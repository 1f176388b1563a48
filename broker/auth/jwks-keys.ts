import { createLocalJWKSet, errors } from "jose";
import type { FlattenedJWSInput, JSONWebKeySet, JWTHeaderParameters } from "jose";

import { Code } from "../../protocol/codes.ts";
import { AccessError } from "../ports.ts";
import type { Clock, Logger } from "../ports.ts";
import { fetchJwks } from "./fetch-jwks.ts";
import type { KeySource, VerifyKey } from "./keys.ts";

export interface JwksOptions {
  /** From the configuration, never from a token. */
  readonly url: string;
  readonly maxAgeMs: number;
  readonly cooldownMs: number;
  /** For one fetch, headers and body together. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Between two fetches as long as there are no keys at all, when nobody can be let in. */
const FIRST_COOLDOWN_MS = 1000;

type LocalKeys = ReturnType<typeof createLocalJWKSet>;

/**
 * Keys an identity provider publishes. The last good keys stay in use while the provider fails, however
 * long: an outage there must not become one here. One fetch is under way at a time, and neither unknown
 * key ids nor failures cause more than one per cooldown.
 */
export class JwksKeys implements KeySource {
  readonly #options: JwksOptions;
  #keys: LocalKeys | null = null;
  /** The key set as fetched, to see whether a new one differs. */
  #text = "";
  #generation = 0;
  #fetchedAtMs = 0;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #lastTryFailed = false;
  #refreshing: Promise<void> | null = null;

  constructor(options: JwksOptions) {
    this.#options = options;
  }

  get generation(): number {
    return this.#generation;
  }

  async find(header: JWTHeaderParameters, token: FlattenedJWSInput): Promise<VerifyKey> {
    await this.#freshen();
    try {
      return await this.#current()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (this.#mayTry()) await this.#refresh();
      // With the provider out of reach nobody can say that the key is wrong.
      if (this.#lastTryFailed) throw unavailable();
      return this.#current()(header, token);
    }
  }

  #current(): LocalKeys {
    if (this.#keys === null) throw unavailable();
    return this.#keys;
  }

  /**
   * Fetches when there are no keys or they are old. Old keys are waited for, so that a key withdrawn
   * during a quiet night does not open the door in the morning, but not while the provider is failing.
   */
  async #freshen(): Promise<void> {
    const isOld = this.#options.clock.nowMs() - this.#fetchedAtMs >= this.#options.maxAgeMs;
    if (this.#keys !== null && !isOld) return;
    const refreshing = this.#refreshing ?? (this.#mayTry() ? this.#refresh() : null);
    if (this.#keys === null || !this.#lastTryFailed) await refreshing;
  }

  #mayTry(): boolean {
    if (this.#refreshing !== null) return true;
    const { clock, cooldownMs } = this.#options;
    const waitMs = this.#keys === null ? Math.min(cooldownMs, FIRST_COOLDOWN_MS) : cooldownMs;
    return clock.nowMs() - this.#triedAtMs >= waitMs;
  }

  /** Joins the fetch under way or starts one. Never rejects. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#fetch().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #fetch(): Promise<void> {
    const { url, timeoutMs, clock, logger } = this.#options;
    this.#triedAtMs = clock.nowMs();
    try {
      this.#replace(await fetchJwks(url, timeoutMs));
      this.#fetchedAtMs = clock.nowMs();
      this.#lastTryFailed = false;
    } catch (error) {
      this.#lastTryFailed = true;
      const reason = error instanceof Error ? error.message : String(error);
      logger.log("warn", "jwks_fetch_failed", { url, reason, hasKeys: this.#keys !== null });
    }
  }

  #replace(jwks: JSONWebKeySet): void {
    const text = JSON.stringify(jwks);
    if (text === this.#text) return;
    this.#keys = createLocalJWKSet(jwks);
    this.#text = text;
    this.#generation++;
    this.#options.logger.log("info", "jwks_fetched", {
      url: this.#options.url,
      keys: jwks.keys.length,
    });
  }
}

function unavailable(): AccessError {
  return new AccessError(Code.unavailable, "the keys that verify tokens cannot be had now");
}
