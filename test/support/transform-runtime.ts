import { join } from "node:path";

import type {
  BatchReply,
  LaneSnapshot,
  StageRequest,
  TransformFault,
  TransformManifest,
  WorkerCalls,
} from "../../workers/boundary/worker-link.ts";
import { PROGRESS_BYTES } from "../../workers/boundary/worker-link.ts";
import { WorkerRuntime } from "../../workers/runtime/worker-runtime.ts";
import { outcomesOf, slabOf } from "../../workers/testing/crossing.ts";
import type { Outcome } from "../../workers/testing/crossing.ts";
import type { TestWorker } from "../../workers/testing/harness-error.ts";
import type { TestMessage } from "../../workers/testing/message.ts";
import { startThread } from "../../workers/testing/thread-worker.ts";
import { TempFolder } from "./temp-folder.ts";

const MAX_PAYLOAD_BYTES = 64 * 1024;

export interface StageSource {
  /** The module's text; by default it is the transform's fields, which `defineTransform` is put around. */
  readonly source: string;
  readonly config?: unknown;
  readonly emit?: readonly string[];
}

export interface RunResult {
  readonly reply: BatchReply;
  readonly outcomes: readonly Outcome[];
}

/** The module of a transform, from its fields. */
export function transformModule(fields: string, imports = ""): string {
  return `import { defineTransform } from "tickwire/transform";
${imports}
export default defineTransform({ name: "under-test", version: "1.0.0", ${fields} });
`;
}

/**
 * A worker's runtime, with modules in a folder of their own. With a module graph in this thread, every load after
 * the first one is of files that are new: under `bun test --isolate` (which `--parallel` implies) a graph never reads
 * a file a second time there. In a thread it does, as in a broker.
 */
export class RuntimeUnderTest implements AsyncDisposable {
  readonly runtime: WorkerCalls;
  readonly folder: TempFolder;
  readonly progress = new SharedArrayBuffer(PROGRESS_BYTES);
  manifests: readonly TransformManifest[] = [];
  readonly #thread: TestWorker | null;
  readonly #isInPlace: boolean;
  #batches = 0;
  #loads = 0;

  private constructor(folder: TempFolder, where: boolean | "thread") {
    this.folder = folder;
    this.#isInPlace = where !== true;
    this.#thread = where === "thread" ? startThread() : null;
    this.runtime = this.#thread?.calls ?? new WorkerRuntime({ useGraph: where === true });
  }

  /** @param where in this thread, with or without a module graph; or in a thread of its own, with one */
  static async create(where: boolean | "thread" = true): Promise<RuntimeUnderTest> {
    return new RuntimeUnderTest(await TempFolder.create(), where);
  }

  /** Loads modules as the stages of a pipeline; throws when that fails. */
  async load(...stages: readonly (string | StageSource)[]): Promise<readonly TransformManifest[]> {
    const reply = await this.#load(stages);
    if (!reply.ok) throw new Error(`stage ${reply.stage}: ${JSON.stringify(reply.fault)}`);
    this.manifests = reply.manifests;
    return reply.manifests;
  }

  /** Loads modules and expects that to fail. */
  async loadFault(...stages: readonly (string | StageSource)[]): Promise<TransformFault> {
    const reply = await this.#load(stages);
    if (reply.ok) throw new Error("it was loaded");
    return reply.fault;
  }

  async #load(stages: readonly (string | StageSource)[]): ReturnType<WorkerCalls["load"]> {
    const requests: StageRequest[] = [];
    const isInPlace = this.#loads++ === 0 || this.#isInPlace;
    const folder = isInPlace ? "." : `load-${this.#loads}`;
    const directory = join(this.folder.path, folder);
    for (const [i, item] of stages.entries()) {
      const stage = typeof item === "string" ? { source: item } : item;
      await this.folder.write(`${folder}/stage-${i}.ts`, stage.source);
      const { config, emit = [] } = stage;
      requests.push({ use: `./stage-${i}.ts`, directory, config, emit });
    }
    return this.loadStages(requests);
  }

  loadStages(stages: readonly StageRequest[]): ReturnType<WorkerCalls["load"]> {
    return this.runtime.load({
      worker: 3,
      stages,
      progress: this.progress,
      maxPayloadBytes: MAX_PAYLOAD_BYTES,
      setupTimeoutMs: 200,
    });
  }

  async run(messages: readonly TestMessage[], attempt = 1): Promise<RunResult> {
    const slab = slabOf(messages, this.manifests);
    const reply = await this.runtime.run({ number: ++this.#batches, attempt, slab });
    const outcomes =
      reply.fault === null
        ? outcomesOf(reply.verdicts, messages, this.manifests, MAX_PAYLOAD_BYTES)
        : [];
    return { reply, outcomes };
  }

  takeLanes(lanes: readonly string[] | null = null): Promise<readonly LaneSnapshot[]> {
    return this.runtime.takeLanes(lanes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#thread?.end() ?? this.runtime.unload());
    await this.folder[Symbol.asyncDispose]();
  }
}

/** An outcome in a line, for tables. */
export function inShort(outcome: Outcome): string {
  if (outcome.verdict === "drop") return `drop ${outcome.reason}`;
  if (outcome.verdict === "fail") {
    const { type, name, message, line } = outcome.error ?? {};
    return `fail ${type} ${name}: ${message}${line === null ? "" : ` @${line}`}`;
  }
  return `${outcome.verdict} ${outcome.output?.text()}`;
}
