import type { TransformManifest } from "../boundary/worker-link.ts";

/** What the manifests of a pipeline's stages come to together. */
export interface SetLimits {
  readonly batch: number;
  readonly batchBytes: number;
  readonly heapMb: number;
  readonly laneQueue: number;
  /** Of each stage. */
  readonly timeoutMs: readonly number[];
  /** Lanes have state: each belongs to one worker. */
  readonly isPinned: boolean;
  readonly hasSnapshot: boolean;
  /** Publications of history a new lane is shown. */
  readonly lookBack: number;
}

/** The tightest bound of any stage; memory for the one that needs most. */
export function mergeManifests(manifests: readonly TransformManifest[]): SetLimits {
  const limits = manifests.map((manifest) => manifest.limits);
  return {
    batch: least(
      limits.map(({ batch }) => batch),
      256,
    ),
    batchBytes: least(
      limits.map(({ batchBytes }) => batchBytes),
      262_144,
    ),
    heapMb: limits.length === 0 ? 256 : Math.max(...limits.map(({ heapMb }) => heapMb)),
    laneQueue: least(
      limits.map(({ laneQueue }) => laneQueue),
      4096,
    ),
    timeoutMs: limits.map(({ timeoutMs }) => timeoutMs),
    isPinned: manifests.some(({ hasLaneState }) => hasLaneState),
    hasSnapshot: manifests.some(({ hasSnapshot }) => hasSnapshot),
    lookBack: Math.max(0, ...manifests.map(({ lookBack }) => lookBack)),
  };
}

function least(values: readonly number[], otherwise: number): number {
  return values.length === 0 ? otherwise : Math.min(...values);
}
