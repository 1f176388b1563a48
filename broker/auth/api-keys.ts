import { createHash, timingSafeEqual } from "node:crypto";

/** Characters of a key that is looked at; the configuration allows fewer. */
const MAX_CANDIDATE_LENGTH = 1024;

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Keys of the server API. Comparing takes the same time whatever the candidate shares with a key. */
export class ApiKeys {
  readonly #digests: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest);
  }

  get isEmpty(): boolean {
    return this.#digests.length === 0;
  }

  has(candidate: string): boolean {
    return this.find(candidate) !== null;
  }

  /** Place of the key in the configuration, from 0; null when it is none of them. */
  find(candidate: string): number | null {
    if (candidate.length > MAX_CANDIDATE_LENGTH) return null;
    const wanted = digest(candidate);
    let found: number | null = null;
    for (const [index, known] of this.#digests.entries())
      if (timingSafeEqual(known, wanted)) found = index;
    return found;
  }
}
