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
    if (candidate.length > MAX_CANDIDATE_LENGTH) return false;
    const wanted = digest(candidate);
    let found = false;
    for (const known of this.#digests) found = timingSafeEqual(known, wanted) || found;
    return found;
  }
}
