import { faultOf, shortPlace, TransformLoadError } from "../boundary/fault.ts";
import type {
  BatchFault,
  FaultType,
  TransformFault,
  TransformManifest,
} from "../boundary/worker-link.ts";
import type { LaneState, TransformContext, TransformMessage } from "../sdk/transform.ts";
import type { Batch } from "./batch.ts";
import { ChannelFilter } from "./channel-filter.ts";
import { checkConfig } from "./config-schema.ts";
import type { AnyDefinition } from "./definition.ts";
import { LaneStates } from "./lane-states.ts";
import { EmissionError, MessageView } from "./message-view.ts";
import type { LoadedModule } from "./module-loader.ts";
import type { Notes } from "./notes.ts";
import type { Progress } from "./progress.ts";
import { StageError } from "./stage-error.ts";
import { StageMatch } from "./stage-match.ts";
import { StageTurn } from "./turn.ts";
import type { TurnStage } from "./turn.ts";
import { within } from "./within.ts";

export interface StageOptions {
  readonly index: number;
  readonly worker: number;
  readonly definition: AnyDefinition;
  readonly manifest: TransformManifest;
  readonly module: Pick<LoadedModule, "run" | "dispose">;
  readonly config: unknown;
  readonly emit: readonly string[];
  readonly maxPayloadBytes: number;
  readonly setupTimeoutMs: number;
  readonly notes: Notes;
}

type AnyContext = TransformContext<unknown, unknown, unknown>;
type Context = { -readonly [Name in keyof AnyContext]: AnyContext[Name] };
type Replay = NonNullable<LaneState<unknown, unknown, unknown>["replay"]>;

/** A transform that is set up: one stage of a pipeline. */
export class Stage implements TurnStage {
  readonly index: number;
  readonly manifest: TransformManifest;
  readonly isAsync: boolean;
  readonly maxPayloadBytes: number;
  readonly maxEmissions: number;
  readonly match: StageMatch;
  readonly lanes: LaneStates | null;
  /** Shows a lane's state a publication of its history; null when the transform does not look back. */
  readonly replay: Replay | null;
  readonly #options: StageOptions;
  readonly #state: unknown;
  readonly #context: Context;
  readonly #emit: ChannelFilter;
  #turn: StageTurn | null = null;

  /**
   * Checks the configuration and runs `setup`.
   * @throws StageError
   */
  static async create(options: StageOptions): Promise<Stage> {
    const { definition, module, setupTimeoutMs } = options;
    const { file } = options.manifest;
    const config = await guarded("config", file, () =>
      within(
        setupTimeoutMs,
        module.run(() => checkConfig(definition.config, options.config)),
        "checking the configuration",
      ),
    );
    const log = options.notes.logger(options.index);
    let state: unknown;
    if (definition.setup !== undefined) {
      const host = { worker: options.worker, log };
      state = await guarded("setup", file, () =>
        within(
          setupTimeoutMs,
          module.run(() => definition.setup?.(config, host)),
          "setup",
        ),
      );
    }
    return new Stage(options, config, state);
  }

  private constructor(options: StageOptions, config: unknown, state: unknown) {
    const { definition, manifest, notes, index } = options;
    this.#options = options;
    this.index = index;
    this.#emit = new ChannelFilter(options.emit);
    this.match = new StageMatch(manifest.match);
    this.manifest = manifest;
    this.isAsync = manifest.isAsync;
    this.maxPayloadBytes = options.maxPayloadBytes;
    this.maxEmissions = manifest.limits.maxEmissions;
    this.lanes =
      definition.lane === undefined
        ? null
        : new LaneStates(definition.lane, manifest.order === "key", state, config);
    this.replay = definition.lane?.replay?.bind(definition.lane) ?? null;
    this.#state = state;
    this.#context = {
      state,
      config,
      lane: (message) => this.#lane(message),
      attempt: 1,
      now: Date.now,
      log: notes.logger(index),
      metrics: notes.metrics(index),
    };
  }

  /** Calls into the transform's code. */
  call<Result>(work: () => Result): Result {
    return this.#options.module.run(work);
  }

  mayEmit(channel: string): boolean {
    return this.#emit.matches(channel);
  }

  /** Runs what is alive of the batch; null when every message has its verdict. */
  run(
    batch: Batch,
    attempt: number,
    progress: Progress,
  ): BatchFault | null | Promise<BatchFault | null> {
    return this.isAsync
      ? this.#runAsync(batch, attempt, progress)
      : this.#runSync(batch, attempt, progress);
  }

  /**
   * A throw in the turn of a message concerns that message alone: those before it have their verdicts. It is tried
   * once more, alone; then it has failed, and the others go on behind it.
   */
  #runSync(batch: Batch, attempt: number, progress: Progress): BatchFault | null {
    let from = 0;
    while (from < batch.aliveCount) {
      const turn = new StageTurn(batch, this, progress, from, batch.aliveCount);
      const fault = this.#process(turn, attempt);
      if (fault === null) return null;
      const { position } = turn;
      if (position === -1) return { stage: this.index, index: turn.lastIndex, fault };
      turn.undoLast();
      const isLastTry = attempt > 1 && batch.aliveCount === 1;
      if (isLastTry || fault.type !== "throw") this.#fail(batch, turn.lastIndex, fault);
      else {
        const alone = new StageTurn(batch, this, progress, position, position + 1);
        const again = this.#process(alone, attempt + 1);
        if (again !== null) this.#fail(batch, turn.lastIndex, again);
      }
      from = position + 1;
    }
    return null;
  }

  #process(turn: StageTurn, attempt: number): TransformFault | null {
    const { definition, module, manifest } = this.#options;
    this.#context.attempt = attempt;
    this.#turn = turn;
    try {
      const result: unknown = module.run(() => definition.process(turn, this.#context));
      if (isThenable(result)) {
        this.#watch(result);
        throw new TransformLoadError("throw", "process returned a promise: declare `async: true`");
      }
      return null;
    } catch (error) {
      return faultOf(error, faultType(error), manifest.file);
    } finally {
      turn.close();
    }
  }

  async #runAsync(batch: Batch, attempt: number, progress: Progress): Promise<BatchFault | null> {
    const { definition, module, manifest } = this.#options;
    const turn = new StageTurn(batch, this, progress, 0, batch.aliveCount);
    this.#context.attempt = attempt;
    this.#turn = turn;
    try {
      await module.run(() => definition.process(turn, this.#context));
      return null;
    } catch (error) {
      const fault = faultOf(error, faultType(error), manifest.file);
      return { stage: this.index, index: turn.lastIndex, fault };
    } finally {
      turn.close();
    }
  }

  #fail(batch: Batch, index: number, fault: TransformFault): void {
    batch.fail(index, {
      stage: this.index,
      cause: fault.type === "emission" ? "emission" : "throw",
      name: fault.name,
      message: fault.message,
      location: shortPlace(fault),
    });
  }

  #lane(message: TransformMessage): unknown {
    if (this.lanes === null) throw new TypeError("the transform has no `lane`");
    if (this.#turn === null || !MessageView.isOf(this.#turn, message)) {
      throw new TypeError("lane() takes a message of the batch");
    }
    this.#turn.checkOpen();
    const lane = this.#turn.batch.lane(message.index) ?? message.channel;
    return this.lanes.get(lane, message.channel, message);
  }

  /** A promise that nobody asked for may still reject. */
  #watch(promise: PromiseLike<unknown>): void {
    promise.then(undefined, (error: unknown) => {
      this.#options.notes.fault(this.index, faultOf(error, "crash", this.manifest.file));
    });
  }

  /** Runs `teardown` and closes what the transform has opened. */
  async close(): Promise<void> {
    const { definition, module, notes, setupTimeoutMs } = this.#options;
    try {
      if (definition.teardown !== undefined) {
        await within(
          setupTimeoutMs,
          module.run(() => definition.teardown?.(this.#state)),
          "teardown",
        );
      }
    } catch (error) {
      notes.fault(this.index, faultOf(error, "throw", this.manifest.file));
    } finally {
      module.dispose();
    }
  }
}

async function guarded<Value>(
  type: FaultType,
  file: string,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw new StageError(faultOf(error, type, file));
  }
}

function faultType(error: unknown): FaultType {
  return error instanceof EmissionError ? "emission" : "throw";
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
