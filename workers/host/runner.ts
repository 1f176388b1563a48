import { bindAll } from "./binding.ts";
import type { Bound } from "./binding.ts";
import type { HostContext } from "./context.ts";
import { Deployments } from "./deployments.ts";
import { dryRun } from "./dry-run.ts";
import { watchFiles } from "./file-watch.ts";
import type { FileWatch } from "./file-watch.ts";
import { setsOf } from "./handover.ts";
import { DEFAULT_BUDGET, DEFAULT_TIMES } from "./host-options.ts";
import type { TransformRunnerOptions } from "./host-options.ts";
import { TransformError } from "./host-types.ts";
import type {
  TransformChange,
  TransformHost,
  TransformOutcome,
  TransformRoute,
  TransformSink,
  TransformStatus,
} from "./host-types.ts";
import { Pipelines } from "./pipelines.ts";
import { stateOf, statusOf } from "./status.ts";
import { Watchdog } from "./watchdog.ts";

/** Runs transforms in workers: what broker/ports.ts calls a `TransformRunner`. */
export class TransformHostRunner {
  readonly #options: TransformRunnerOptions;
  readonly #bounds: readonly Bound[];
  #context: HostContext | null = null;
  #pipelines: Pipelines | null = null;
  #deployments: Deployments | null = null;
  #watch: FileWatch | null = null;
  #generation = 0;

  /** @throws TransformError invalid: a binding that cannot be */
  constructor(options: TransformRunnerOptions) {
    this.#options = options;
    this.#bounds = bindAll(options.bindings);
  }

  /** Changes when channels must ask for their route again. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Loads what is bound.
   * @throws TransformError naming file and line, when a transform cannot be loaded
   */
  async start(sink: TransformSink, host: TransformHost): Promise<void> {
    const { directory, clock, logger, maxPayloadBytes } = this.#options;
    const times = { ...DEFAULT_TIMES, ...this.#options.times };
    const context: HostContext = {
      directory,
      clock,
      logger,
      maxPayloadBytes,
      times,
      budget: { ...DEFAULT_BUDGET, ...this.#options.budget },
      watchdog: new Watchdog(times, () => clock.nowMs()),
      sink,
      host,
    };
    const pipelines = new Pipelines(this.#bounds, context);
    this.#context = context;
    this.#pipelines = pipelines;
    try {
      await pipelines.start();
    } catch (error) {
      for (const pipeline of pipelines.all()) pipeline.refuseAll(setsOf(pipeline), "not started");
      throw error;
    }
    this.#deployments = new Deployments(pipelines, context, () => this.#changed());
    this.#generation++;
    for (const bound of this.#bounds) {
      const { name, version, file, integrity } = pipelines.versionOf(bound).manifest;
      logger.log("info", "transform_loaded", {
        transform: bound.id,
        name,
        version,
        file,
        integrity,
      });
    }
    if (this.#options.isWatching === true)
      this.#watch = watchFiles(context, (id) => this.#reload(id));
    this.#watch?.follow(this.#files());
  }

  /** Ends when everything taken in is settled, or the time is over; what is left then is rejected. */
  async stop(withinMs: number): Promise<void> {
    const pipelines = this.#pipelines?.all() ?? [];
    this.#watch?.close();
    for (const pipeline of pipelines) pipeline.intake.stop();
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, withinMs);
    await Promise.race([Promise.all(pipelines.map((one) => one.settled())), over.promise]);
    await Promise.race([this.#deployments?.stop(), over.promise]);
    clearTimeout(timer);
    await Promise.all(
      pipelines.map(async (pipeline) => {
        const sets = setsOf(pipeline);
        if (pipeline.pending > 0) pipeline.refuseAll(sets, "the broker is stopping");
        else await Promise.all(sets.map((set) => set.tearDown()));
      }),
    );
    this.#context?.watchdog.stop();
  }

  /** Null when nothing is bound to the channel and nothing of it is under way. */
  route(channel: string): TransformRoute | null {
    return this.#pipelines?.route(channel) ?? null;
  }

  status(): readonly TransformStatus[] {
    const pipelines = this.#pipelines;
    if (pipelines === null) return [];
    return this.#bounds.map((bound) =>
      statusOf({
        bound,
        version: pipelines.versionOf(bound),
        previous: this.#deployments?.previousOf(bound) ?? null,
        rollout: this.#deployments?.rolloutOf(bound)?.toReport() ?? null,
        pipelines: pipelines.with(bound),
      }),
    );
  }

  /** Whether every binding can take publications. */
  isReady(): boolean {
    const pipelines = this.#pipelines?.all() ?? [];
    return pipelines.every(({ active }) => {
      const state = stateOf(active);
      return state === "running" || state === "degraded";
    });
  }

  /**
   * Takes a version into use, or out of it. When it is refused, what served before goes on serving.
   * @throws TransformError
   */
  async change(request: TransformChange): Promise<TransformStatus> {
    const bound = this.#boundOf(request.id);
    await this.#deployments?.change(bound, request);
    const status = this.status().find(({ id }) => id === bound.id);
    if (status === undefined) throw new TransformError("unknown", "transforms are not started");
    return status;
  }

  /**
   * Runs payloads through a binding without publishing anything, on a worker of its own.
   * @throws TransformError
   */
  async dryRun(request: {
    readonly id: string;
    readonly channel: string;
    readonly payloads: readonly Uint8Array[];
  }): Promise<readonly TransformOutcome[]> {
    const bound = this.#boundOf(request.id);
    if (this.#context === null || this.#pipelines === null) {
      throw new TransformError("unknown", "transforms are not started");
    }
    const version = this.#pipelines.versionOf(bound);
    return dryRun(version, request.channel, request.payloads, this.#context);
  }

  #boundOf(id: string): Bound {
    const bound = this.#bounds.find((one) => one.id === id);
    if (bound === undefined) throw new TransformError("unknown", `there is no transform "${id}"`);
    return bound;
  }

  #changed(): void {
    this.#generation++;
    this.#watch?.follow(this.#files());
  }

  #files(): Map<string, string> {
    const files = new Map<string, string>();
    for (const bound of this.#bounds) {
      const file = this.#pipelines?.versionOf(bound).manifest.file;
      if (file !== undefined) files.set(bound.id, file);
    }
    return files;
  }

  #reload(id: string): void {
    const mode = { type: "replace" } as const;
    const change = { action: "deploy", id, use: null, config: null, mode } as const;
    // What is refused has been logged, and is done again with the next edit.
    this.change(change).catch(() => undefined);
  }
}
