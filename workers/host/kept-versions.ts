import type { Bound, Version } from "./binding.ts";
import type { Pipeline } from "./pipeline.ts";
import type { WorkerSet } from "./worker-set.ts";

/** What a binding was served by before. */
export interface KeptVersion {
  readonly version: Version;
  readonly sets: ReadonlyMap<Pipeline, WorkerSet>;
}

/** Versions that served until the last change, parked and loaded for a rollback: one of a binding. */
export class KeptVersions {
  readonly #kept = new Map<Bound, KeptVersion>();

  versionOf(bound: Bound): Version | null {
    return this.#kept.get(bound)?.version ?? null;
  }

  keep(bound: Bound, kept: KeptVersion): void {
    for (const [other, { sets }] of this.#kept) {
      // A set holds all stages of its pipeline: going back to one would take the others' new versions back too.
      const isStale = [...sets.keys()].some((pipeline) => kept.sets.has(pipeline));
      if (other !== bound && !isStale) continue;
      // Nobody waits for the teardown of what no longer serves; it is bounded.
      for (const set of sets.values()) void set.retire();
      this.#kept.delete(other);
    }
    this.#kept.set(bound, kept);
  }

  /** Hands over what is kept of a binding: whoever takes it lets it serve. */
  take(bound: Bound): KeptVersion | undefined {
    const kept = this.#kept.get(bound);
    this.#kept.delete(bound);
    return kept;
  }

  close(): void {
    for (const { sets } of this.#kept.values()) for (const set of sets.values()) set.close();
    this.#kept.clear();
  }
}
