import type { TransformFault } from "../boundary/worker-link.ts";
import type { StageSource } from "./binding.ts";
import type { HostContext } from "./context.ts";
import { TransformError } from "./host-types.ts";
import { openProcessLink } from "./link-process.ts";
import { openThreadLink } from "./link-thread.ts";
import type { OpenLink } from "./link.ts";
import { PinnedStages } from "./pinned-stages.ts";
import { WorkerSet } from "./worker-set.ts";
import type { WorkerSetOwner } from "./worker-set.ts";

/** A pipeline runs in processes when any of its bindings asks for one. */
export function isProcessPipeline(sources: readonly StageSource[]): boolean {
  return sources.some(({ bound }) => bound.isolation === "process");
}

export function openLinkOf(isProcess: boolean): OpenLink {
  return isProcess ? openProcessLink : openThreadLink;
}

/** Workers for a pipeline, not started. */
export function newSet(
  sources: readonly StageSource[],
  context: HostContext,
  owner: WorkerSetOwner,
  options: { readonly isAsync: boolean; readonly workers?: number },
): WorkerSet {
  const { directory, maxPayloadBytes, times, watchdog, clock } = context;
  return new WorkerSet(
    {
      stages: new PinnedStages(sources, directory),
      workers: options.workers ?? Math.max(...sources.map(({ bound }) => bound.workers)),
      isAsync: options.isAsync,
      openLink: openLinkOf(isProcessPipeline(sources)),
      directory,
      maxPayloadBytes,
      times,
      watchdog,
      nowMs: () => clock.nowMs(),
    },
    owner,
  );
}

/**
 * Workers for a pipeline, loaded and ready.
 * @throws TransformError load, naming file and line
 */
export async function openSet(
  sources: readonly StageSource[],
  context: HostContext,
  owner: WorkerSetOwner,
  workers?: number,
): Promise<WorkerSet> {
  const open = async (isAsync: boolean, from = sources): Promise<WorkerSet> => {
    const options = workers === undefined ? { isAsync } : { isAsync, workers };
    const set = newSet(from, context, owner, options);
    const reply = await set.crew.load();
    if (reply.ok) return set;
    set.close();
    const source = sources[reply.stage] ?? sources[0];
    throw loadError(source?.bound.id ?? "", source?.use ?? "", reply.fault);
  };
  const set = await open(false);
  // Only the manifest tells that a transform does I/O: its worker's event loop then has to run between batches.
  if (!set.versions.some(({ manifest }) => manifest.isAsync)) return set;
  await set.tearDown();
  return open(true, set.sources);
}

export function loadError(id: string, use: string, fault: TransformFault): TransformError {
  const line = fault.line === null ? "" : `:${fault.line}`;
  const place = fault.file === null ? use : `${fault.file}${line}`;
  const issues = fault.issues.map(({ path, message }) => `\n  ${path || "config"}: ${message}`);
  const name = fault.name === "Error" ? "" : `${fault.name}: `;
  const says = `transform "${id}" cannot be loaded (${fault.type}) from ${place}: ${name}${fault.message}`;
  return new TransformError("load", says + issues.join(""), fault);
}
