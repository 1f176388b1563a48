import type { TransformOrder } from "../sdk/transform.ts";
import type { CollectReply, PinnedCode } from "./pinned-code.ts";

/** What is known of a transform without running it on the broker's thread: data only. */
export interface TransformManifest {
  readonly api: number;
  readonly name: string;
  readonly version: string;
  readonly description: string | null;
  readonly match: {
    readonly channels: readonly string[] | null;
    readonly minBytes: number;
    /** Infinity for none. */
    readonly maxBytes: number;
  };
  readonly order: TransformOrder;
  readonly hasLaneState: boolean;
  readonly hasSnapshot: boolean;
  /** Publications of history a new lane is shown; 0 for none. */
  readonly lookBack: number;
  readonly isAsync: boolean;
  readonly failClosed: boolean;
  readonly limits: {
    readonly batch: number;
    readonly batchBytes: number;
    readonly timeoutMs: number;
    readonly heapMb: number;
    readonly maxEmissions: number;
    readonly laneQueue: number;
  };
  /** JSON Schema of the configuration, where its library can tell it. */
  readonly configSchema: unknown;
  /** Absolute path of the module, and SHA-256 of its bytes in hex. */
  readonly file: string;
  readonly integrity: string;
}

/** Where it went wrong: otel/transform-metrics.ts lists them as well, and its test holds the two together. */
export const FAULT_TYPES = [
  "load",
  "config",
  "setup",
  "throw",
  "verdict",
  "emission",
  "timeout",
  "memory",
  "crash",
] as const;

export type FaultType = (typeof FAULT_TYPES)[number];

/** What went wrong in a transform, as plain data. */
export interface TransformFault {
  readonly type: FaultType;
  /** Name and message of the error. */
  readonly name: string;
  readonly message: string;
  /** Where, as far as it is known. */
  readonly file: string | null;
  readonly line: number | null;
  readonly stack: string | null;
  /** Of a configuration that its schema refused: path and message. */
  readonly issues: readonly { readonly path: string; readonly message: string }[];
}

/** One transform of a pipeline, in the order they run. */
export interface StageRequest {
  /** Path or package name, resolved against `directory`. */
  readonly use: string;
  readonly directory: string;
  readonly config: unknown;
  /** Patterns of channels it may emit to. */
  readonly emit: readonly string[];
  /** What is loaded; without it, what `use` leads to now. */
  readonly code?: PinnedCode;
}

/** Size of the memory behind `LoadRequest.progress`. */
export const PROGRESS_BYTES = 16;

export interface LoadRequest {
  /** Index of the worker in its pool. */
  readonly worker: number;
  readonly stages: readonly StageRequest[];
  /**
   * Four 32-bit numbers (`PROGRESS_BYTES`) the host reads while the worker is busy. [0] messages begun in the
   * batch under way, over all stages; [1] the batch's number; [2] place in the batch of the message begun last;
   * [3] the stage it is in. [0] is stored last of them, atomically, and is 0 while no message has been begun.
   * Null where memory cannot be shared.
   */
  readonly progress: SharedArrayBuffer | null;
  /** Bytes a replaced or emitted payload may have; default: what the protocol allows. */
  readonly maxPayloadBytes?: number;
  /** Longest time for loading a module, its `setup` and its `teardown` each, ms; default 10 000. */
  readonly setupTimeoutMs?: number;
}

export type LoadReply =
  { readonly ok: true; readonly manifests: readonly TransformManifest[] } | LoadFailure;

export interface LoadFailure {
  readonly ok: false;
  readonly stage: number;
  readonly fault: TransformFault;
}

export interface BatchRequest {
  /** Number of the batch, for `progress`. */
  readonly number: number;
  readonly attempt: number;
  /** Messages as workers/boundary/slab.ts writes them. */
  readonly slab: Uint8Array;
}

export interface BatchReply {
  /** Verdicts and what belongs to them, as workers/boundary/verdicts.ts writes them. Empty when there is a fault. */
  readonly verdicts: Uint8Array;
  /** A stage threw, and it is not certain for which message alone: no message of the batch has a verdict. */
  readonly fault: BatchFault | null;
  /** `process` began and ended, wall clock ms since 1970 with fractions. */
  readonly startedMs: number;
  readonly endedMs: number;
  readonly heapBytes: number;
  readonly notes: WorkerNotes | null;
}

export interface BatchFault {
  readonly stage: number;
  /** Place in the batch of the message begun last in that stage; -1 when none was. */
  readonly index: number;
  readonly fault: TransformFault;
}

/** What a transform logged and counted since the last batch; null when nothing. */
export interface WorkerNotes {
  readonly logs: readonly {
    readonly stage: number;
    readonly level: "debug" | "info" | "warn" | "error";
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
  /** Log lines left out, over the bound. */
  readonly logsSuppressed: number;
  readonly metrics: readonly {
    readonly stage: number;
    readonly kind: "count" | "observe";
    readonly name: string;
    /** Sum of what was counted or observed. */
    readonly value: number;
    /** How often. */
    readonly count: number;
  }[];
  /** Values left out, of names over the bound. */
  readonly metricsSuppressed: number;
  /**
   * What went wrong outside of a batch: exceptions nobody waited for (`crash`), and lane states that could not be
   * taken, put or replayed (`throw`). The worker lives.
   */
  readonly faults: readonly { readonly stage: number; readonly fault: TransformFault }[];
  /** Faults left out, over the bound. */
  readonly faultsSuppressed: number;
}

/** A lane's state on its way from one worker to another. */
export interface LaneSnapshot {
  /** The lane as the host names it. */
  readonly lane: string;
  readonly stage: number;
  readonly channel: string;
  /** Conflation key, for a stage that keeps a state for each of a channel. */
  readonly key: string | null;
  readonly snapshot: unknown;
}

/** How the cases packaged with the transforms of a pipeline went. */
export interface CasesReport {
  readonly passed: number;
  readonly failed: number;
  readonly cases: readonly CaseResult[];
}

export interface CaseResult {
  readonly stage: number;
  readonly name: string;
  /** File of the case, absolute. */
  readonly file: string;
  readonly passed: boolean;
  /** What was expected and what came instead, a line each; empty when it passed. */
  readonly diff: readonly string[];
}

/**
 * What a worker can be asked, whatever it runs in. A thread, a process and the test kit answer it with the same
 * runtime (workers/runtime/). Faults of the transform come back as data; a rejection means that the
 * worker is lost.
 */
export interface WorkerCalls {
  /** Reads the code of stages and runs none of it. */
  collect(stages: readonly StageRequest[]): Promise<CollectReply>;
  /** Loads and sets up a pipeline; an earlier one is torn down first. */
  load(request: LoadRequest): Promise<LoadReply>;
  run(request: BatchRequest): Promise<BatchReply>;
  /** Lanes' states as they are now; those of `lanes` only, or all. They are forgotten here. */
  takeLanes(lanes: readonly string[] | null): Promise<readonly LaneSnapshot[]>;
  putLanes(snapshots: readonly LaneSnapshot[]): Promise<void>;
  /** Shows history to a lane that has no state yet. */
  replay(lane: string, channel: string, payloads: readonly Uint8Array[]): Promise<void>;
  /** Runs the cases packaged with the transforms that are loaded, each in a state of its own. */
  test(): Promise<CasesReport>;
  unload(): Promise<void>;
}
