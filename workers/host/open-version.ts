import type { Bound, StageSource, Version } from "./binding.ts";
import { checkCases, sourcesWith } from "./candidate.ts";
import { messageOf } from "./context.ts";
import type { HostContext } from "./context.ts";
import { TransformError } from "./host-types.ts";
import { openSet } from "./open-set.ts";
import type { Pipeline } from "./pipeline.ts";
import { within } from "./slot.ts";
import type { WorkerSet } from "./worker-set.ts";

/**
 * Loads a version into every pipeline of its binding, the same code into all; nothing of it serves yet. Its cases run
 * when it was not loaded before.
 * @throws TransformError load, naming file and line; invalid
 */
export async function openVersion(
  source: StageSource,
  pipelines: readonly Pipeline[],
  context: HostContext,
): Promise<Map<Pipeline, WorkerSet>> {
  const sets = new Map<Pipeline, WorkerSet>();
  try {
    for (const pipeline of pipelines) {
      const { code = source.code } = versionIn(sets, source.bound) ?? {};
      const sources = sourcesWith(pipeline, { ...source, code });
      const set = await openSet(sources, context, pipeline);
      set.isParked = true;
      sets.set(pipeline, set);
      const [slot] = set.slots;
      if (slot === undefined || code !== null) continue;
      const report = await within(slot.calls.test(), context.times.loadTimeoutMs);
      checkCases(source, pipeline.bounds.indexOf(source.bound), report);
    }
  } catch (error) {
    for (const set of sets.values()) set.close();
    if (error instanceof TransformError) throw error;
    throw new TransformError("load", `transform "${source.bound.id}": ${messageOf(error)}`);
  }
  return sets;
}

/** What of a binding is loaded in sets. */
export function versionIn(
  sets: ReadonlyMap<Pipeline, WorkerSet>,
  bound: Bound,
): Version | undefined {
  for (const set of sets.values()) {
    const version = set.versions.find((one) => one.bound === bound);
    if (version !== undefined) return version;
  }
  return undefined;
}
