import type { KeyObject } from "node:crypto";

import type { CryptoKey, FlattenedJWSInput, JWTHeaderParameters } from "jose";

import { readPublicKey } from "./algorithms.ts";

/** Anything jose verifies with. */
export type VerifyKey = CryptoKey | KeyObject | Uint8Array;

/** Where the keys that tokens are verified with come from. */
export interface KeySource {
  /** Grows when keys are replaced: what was verified with the old ones must be verified again. */
  readonly generation: number;
  /**
   * The key for a token with this header. Nothing in the header or token may lead anywhere but to one
   * of the configured keys.
   * @throws AccessError unavailable when the keys cannot be had; an error of jose when none fits
   */
  find(header: JWTHeaderParameters, token: FlattenedJWSInput): Promise<VerifyKey>;
}

/** One key, given in the configuration. */
export class StaticKey implements KeySource {
  readonly generation = 0;
  readonly #key: VerifyKey;

  constructor(key: VerifyKey) {
    this.#key = key;
  }

  static ofSecret(secret: string): StaticKey {
    return new StaticKey(new TextEncoder().encode(secret));
  }

  /** @throws BadKey */
  static ofPublicKey(text: string): StaticKey {
    return new StaticKey(readPublicKey(text));
  }

  find(): Promise<VerifyKey> {
    return Promise.resolve(this.#key);
  }
}
