import { createHash } from "node:crypto";

import type { Identity } from "../ports.ts";

/** Identities kept; with tokens of at most 4 KiB this stays below some tens of MiB. */
const MAX_IDENTITIES = 16_384;

/**
 * Identities of tokens that were verified already, so that a reconnect storm costs one hash per token
 * and not one signature check. Keyed by SHA-256, so that memory holds no usable token; the least
 * recently used goes first.
 */
export class IdentityCache {
  readonly #max: number;
  readonly #identities = new Map<string, Identity>();

  constructor(max = MAX_IDENTITIES) {
    this.#max = max;
  }

  get size(): number {
    return this.#identities.size;
  }

  static keyOf(token: string): string {
    return createHash("sha256").update(token).digest("base64");
  }

  get(key: string, nowMs: number): Identity | null {
    const identity = this.#identities.get(key);
    if (identity === undefined) return null;
    this.#identities.delete(key);
    if (identity.expiresAtMs <= nowMs) return null;
    this.#identities.set(key, identity);
    return identity;
  }

  set(key: string, identity: Identity): void {
    this.#identities.delete(key);
    this.#identities.set(key, identity);
    if (this.#identities.size <= this.#max) return;
    for (const oldest of this.#identities.keys()) {
      this.#identities.delete(oldest);
      return;
    }
  }

  clear(): void {
    this.#identities.clear();
  }
}
