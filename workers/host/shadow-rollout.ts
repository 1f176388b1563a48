import { checkFit } from "./binding.ts";
import type { StageSource, Version } from "./binding.ts";
import { checkCases, sourcesWith } from "./candidate.ts";
import type { HostContext } from "./context.ts";
import { TransformError } from "./host-types.ts";
import { isProcessPipeline, loadError, openLinkOf } from "./open-set.ts";
import { PinnedStages } from "./pinned-stages.ts";
import type { Pipeline } from "./pipeline.ts";
import { Rollout } from "./rollout.ts";
import { newShadowTally, Shadow } from "./shadow.ts";
import type { ShadowTally } from "./shadow.ts";
import { Slot, within } from "./slot.ts";

/**
 * Loads a version beside each pipeline of its binding, to run on a share of the traffic.
 * @throws TransformError load
 */
export async function openShadows(
  source: StageSource,
  percent: number,
  pipelines: readonly Pipeline[],
  context: HostContext,
): Promise<Rollout> {
  const tally = newShadowTally();
  const shadows: { readonly pipeline: Pipeline; readonly shadow: Shadow }[] = [];
  const state: { rollout: Rollout | null } = { rollout: null };
  let version: Version | null = null;
  const endAll = (): void => {
    for (const { pipeline, shadow } of shadows) {
      if (pipeline.listener === shadow) pipeline.listener = null;
      shadow.end();
    }
  };
  try {
    for (const pipeline of pipelines) {
      const pinned = version === null ? source : { ...source, code: version.code };
      const opened = await openShadow(pinned, percent, pipeline, tally, context, (reason) =>
        state.rollout?.judgeShadow(reason),
      );
      shadows.push({ pipeline, shadow: opened.shadow });
      version ??= opened.version;
    }
  } catch (error) {
    endAll();
    throw error;
  }
  if (version === null) throw new TransformError("invalid", "nothing is published there");
  const rollout = new Rollout("shadow", version, context, (reason) => {
    context.logger.log("error", "transform_over_budget", { transform: source.bound.id, reason });
    state.rollout?.end(reason);
  });
  state.rollout = rollout;
  rollout.percent = percent;
  rollout.shadowTally = tally;
  rollout.onEnd = endAll;
  for (const { pipeline, shadow } of shadows) pipeline.listener = shadow;
  return rollout;
}

async function openShadow(
  source: StageSource,
  percent: number,
  pipeline: Pipeline,
  tally: ShadowTally,
  context: HostContext,
  onProgress: (brokenBecause: string | null) => void,
): Promise<{ readonly shadow: Shadow; readonly version: Version }> {
  const sources = sourcesWith(pipeline, source);
  const { directory, maxPayloadBytes, times } = context;
  const stages = new PinnedStages(sources, directory);
  const versions: Version[] = [];
  const shadow = new Shadow({ pipeline, versions, percent, tally, context, onProgress });
  const slot = new Slot(
    {
      index: 0,
      openLink: openLinkOf(isProcessPipeline(sources)),
      stages,
      directory,
      maxPayloadBytes,
      isAsync: false,
      times,
    },
    shadow.owner,
  );
  try {
    const reply = await slot.start();
    if (!reply.ok) throw loadError(source.bound.id, source.use, reply.fault);
    for (const [index, one] of stages.sources.entries()) {
      const manifest = reply.manifests[index];
      if (manifest === undefined) continue;
      checkFit(one.bound, manifest);
      versions.push({ ...one, manifest });
    }
    const stage = sources.indexOf(source);
    checkCases(source, stage, await within(slot.calls.test(), times.loadTimeoutMs));
    const version = versions[stage];
    if (version === undefined) throw new TransformError("load", "nothing was loaded");
    context.watchdog.add({
      slot,
      timeoutMs: (index) => versions[index]?.manifest.limits.timeoutMs ?? 1000,
      heapMb: () => Math.max(...versions.map(({ manifest }) => manifest.limits.heapMb)),
    });
    shadow.attach(slot);
    return { shadow, version };
  } catch (error) {
    slot.close();
    throw error;
  }
}
