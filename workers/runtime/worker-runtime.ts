import { heapSize } from "bun:jsc";

import { faultOf } from "../boundary/fault.ts";
import type { CollectReply } from "../boundary/pinned-code.ts";
import type {
  BatchReply,
  BatchRequest,
  CaseResult,
  CasesReport,
  LaneSnapshot,
  LoadReply,
  LoadRequest,
  StageRequest,
  WorkerCalls,
} from "../boundary/worker-link.ts";
import { reportOf, runPackagedCases } from "../testing/packaged-cases.ts";
import { collectCodes } from "./collect-code.ts";
import { replayInto, restoreInto, snapshotsOf } from "./lane-moves.ts";
import { loadStage } from "./load-stage.ts";
import type { LoadedStage } from "./load-stage.ts";
import { HAS_MODULE_GRAPH } from "./module-loader.ts";
import { Notes } from "./notes.ts";
import { unpinModules } from "./pinned-modules.ts";
import { Pipeline } from "./pipeline.ts";
import { Progress } from "./progress.ts";
import { StageError } from "./stage-error.ts";

/** What the protocol lets a payload have at most; a broker is told less by its own configuration. */
const DEFAULT_MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;
const DEFAULT_SETUP_TIMEOUT_MS = 10_000;
/** Asking for the size of the heap costs about as much as a batch, so not every batch asks. */
const HEAP_POLL_MS = 100;
const EMPTY = new Uint8Array(0);

interface Loaded {
  readonly request: LoadRequest;
  readonly stages: readonly LoadedStage[];
  readonly pipeline: Pipeline;
  readonly progress: Progress;
  readonly notes: Notes;
}

/** What runs inside of a worker, whatever the worker is. Calls are answered one after the other. */
export class WorkerRuntime implements WorkerCalls {
  readonly #useGraph: boolean;
  readonly #given: ReadonlyMap<string, unknown>;
  #loaded: Loaded | null = null;
  #busy: Promise<unknown> = Promise.resolve();
  #heapBytes = 0;
  #heapAtMs = -Infinity;

  /**
   * @param options.useGraph whether loads are kept apart by `Bun.ModuleGraph`; default: when there is one
   * @param options.given transforms that need no loading, by what `use` says of them
   */
  constructor(
    options: { readonly useGraph?: boolean; readonly given?: ReadonlyMap<string, unknown> } = {},
  ) {
    this.#useGraph = options.useGraph ?? HAS_MODULE_GRAPH;
    this.#given = options.given ?? new Map();
  }

  collect(stages: readonly StageRequest[]): Promise<CollectReply> {
    return this.#inTurn(() => collectCodes(stages));
  }

  load(request: LoadRequest): Promise<LoadReply> {
    return this.#inTurn(() => this.#load(request));
  }

  run(request: BatchRequest): Promise<BatchReply> {
    return this.#inTurn(() => this.#run(request));
  }

  takeLanes(lanes: readonly string[] | null): Promise<readonly LaneSnapshot[]> {
    return this.#inTurn(() => {
      const { pipeline, notes } = this.#pipeline();
      const wanted = lanes === null ? null : new Set(lanes);
      return pipeline.stages.flatMap((stage) => snapshotsOf(stage, wanted, notes));
    });
  }

  putLanes(snapshots: readonly LaneSnapshot[]): Promise<void> {
    return this.#inTurn(() => {
      const { pipeline, notes } = this.#pipeline();
      for (const snapshot of snapshots) {
        const stage = pipeline.stages[snapshot.stage];
        if (stage !== undefined) restoreInto(stage, snapshot, notes);
      }
    });
  }

  replay(lane: string, channel: string, payloads: readonly Uint8Array[]): Promise<void> {
    return this.#inTurn(() => {
      const { pipeline, notes } = this.#pipeline();
      for (const stage of pipeline.stages) replayInto(stage, lane, channel, payloads, notes);
    });
  }

  test(): Promise<CasesReport> {
    return this.#inTurn(async () => {
      const results: CaseResult[] = [];
      for (const { options, root } of this.#pipeline().stages) {
        results.push(...(await runPackagedCases(options, root)));
      }
      return reportOf(results);
    });
  }

  unload(): Promise<void> {
    return this.#inTurn(() => this.#unload());
  }

  /** One call at a time: stages and batches are used again and again. */
  #inTurn<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    const result = this.#busy.then(work);
    this.#busy = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #pipeline(): Loaded {
    if (this.#loaded === null) throw new Error("no pipeline is loaded");
    return this.#loaded;
  }

  async #load(request: LoadRequest): Promise<LoadReply> {
    const earlier = this.#loaded?.notes;
    await this.#unload();
    const notes = new Notes();
    // What went wrong while it was torn down is told with the first batch of the next one.
    for (const { stage, fault } of earlier?.take()?.faults ?? []) notes.fault(stage, fault);
    const stages: LoadedStage[] = [];
    for (const [index, stage] of request.stages.entries()) {
      try {
        const loaded = await loadStage(stage, {
          index,
          worker: request.worker,
          maxPayloadBytes: request.maxPayloadBytes ?? DEFAULT_MAX_PAYLOAD_BYTES,
          setupTimeoutMs: request.setupTimeoutMs ?? DEFAULT_SETUP_TIMEOUT_MS,
          notes,
          useGraph: this.#useGraph,
          given: this.#given,
        });
        stages.push(loaded);
      } catch (error) {
        for (const loaded of stages.toReversed()) await loaded.stage.close();
        const fault = error instanceof StageError ? error.fault : faultOf(error, "load", null);
        return { ok: false, stage: index, fault };
      }
    }
    const progress = new Progress(request.progress);
    const pipeline = new Pipeline(
      stages.map(({ stage }) => stage),
      progress,
    );
    this.#loaded = { request, stages, pipeline, progress, notes };
    return { ok: true, manifests: stages.map(({ stage }) => stage.manifest) };
  }

  async #run(request: BatchRequest): Promise<BatchReply> {
    const { pipeline, progress, notes } = this.#pipeline();
    progress.begin(request.number);
    const startedMs = performance.timeOrigin + performance.now();
    const { verdicts, fault } = await pipeline.run(request.slab, request.attempt);
    const endedMs = performance.timeOrigin + performance.now();
    if (endedMs - this.#heapAtMs >= HEAP_POLL_MS) {
      this.#heapAtMs = endedMs;
      this.#heapBytes = heapSize();
    }
    return {
      verdicts: verdicts ?? EMPTY,
      fault,
      startedMs,
      endedMs,
      heapBytes: this.#heapBytes,
      notes: notes.take(),
    };
  }

  async #unload(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = null;
    for (const { stage } of loaded?.stages.toReversed() ?? []) await stage.close();
    unpinModules();
  }
}
