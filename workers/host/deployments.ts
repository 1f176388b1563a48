import { patternMatches } from "../../protocol/channel-name.ts";
import type { Bound, StageSource, Version } from "./binding.ts";
import { messageOf } from "./context.ts";
import type { HostContext } from "./context.ts";
import { handOver } from "./handover.ts";
import { TransformError } from "./host-types.ts";
import type { RolloutMode, TransformChange } from "./host-types.ts";
import { KeptVersions } from "./kept-versions.ts";
import type { KeptVersion } from "./kept-versions.ts";
import { openVersion, versionIn } from "./open-version.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Pipelines } from "./pipelines.ts";
import { Rollout } from "./rollout.ts";
import { openShadows } from "./shadow-rollout.ts";
import type { WorkerSet } from "./worker-set.ts";

type Deploy = Extract<TransformChange, { readonly action: "deploy" }>;

/** Takes new versions into use and back out of it, one change at a time. */
export class Deployments {
  readonly #pipelines: Pipelines;
  readonly #context: HostContext;
  readonly #onChange: () => void;
  readonly #kept = new KeptVersions();
  readonly #rollouts = new Map<Bound, Rollout>();
  #busy: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  constructor(pipelines: Pipelines, context: HostContext, onChange: () => void) {
    this.#pipelines = pipelines;
    this.#context = context;
    this.#onChange = onChange;
  }

  previousOf(bound: Bound): Version | null {
    return this.#kept.versionOf(bound);
  }

  rolloutOf(bound: Bound): Rollout | null {
    return this.#rollouts.get(bound) ?? null;
  }

  /** @throws TransformError */
  async change(bound: Bound, change: TransformChange): Promise<void> {
    try {
      await this.#inTurn(() => this.#change(bound, change));
    } catch (error) {
      const { action } = change;
      const fields = { transform: bound.id, action, message: messageOf(error) };
      this.#context.logger.log("warn", "transform_change_refused", fields);
      throw error;
    }
  }

  async #change(bound: Bound, change: TransformChange): Promise<void> {
    if (this.#isStopped) throw new TransformError("invalid", "the broker is stopping");
    if (change.action === "deploy") return this.#deploy(bound, change);
    return change.action === "promote" ? this.#promote(bound) : this.#rollBack(bound);
  }

  /** Ends trials and the versions kept for a rollback. What serves is left alone. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const rollout of this.#rollouts.values()) rollout.end("the broker is stopping");
    await this.#busy.catch(() => undefined);
    this.#kept.close();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#busy.then(work);
    this.#busy = result.catch(() => undefined);
    return result;
  }

  async #deploy(bound: Bound, { use, config, mode }: Deploy): Promise<void> {
    const running = this.#pipelines
      .with(bound)
      .flatMap((pipeline) => pipeline.bounds)
      .find((other) => this.#rollouts.get(other)?.isActive === true);
    if (running !== undefined) {
      const says = `"${running.id}" has a rollout under way: promote it or roll it back first`;
      throw new TransformError("invalid", says);
    }
    checkMode(mode);
    const current = this.#pipelines.versionOf(bound);
    const source: StageSource = {
      bound,
      use: use ?? current.use,
      config: config === undefined || config === null ? current.config : config,
      code: null,
    };
    if (mode.type === "shadow") {
      await this.#deployShadow(source, mode.percent);
      return;
    }
    const sets = await openVersion(source, this.#pipelines.with(bound), this.#context);
    const version = versionIn(sets, bound) ?? current;
    this.#log("transform_deployed", version, { mode: mode.type });
    if (mode.type === "replace") await this.#replace(bound, version, sets);
    else await this.#deployCanary(bound, version, sets, mode.channels);
  }

  async #replace(bound: Bound, version: Version, sets: Map<Pipeline, WorkerSet>): Promise<void> {
    const before: KeptVersion = {
      version: this.#pipelines.versionOf(bound),
      sets: await this.#serve(sets),
    };
    this.#pipelines.setVersion(version);
    this.#kept.keep(bound, before);
    const rollout = new Rollout("replace", version, this.#context, (reason) =>
      this.#giveUp(bound, reason),
    );
    for (const [pipeline, set] of sets) {
      const old = before.sets.get(pipeline);
      rollout.watch(pipeline, set, old?.tally ?? null);
    }
    this.#rollouts.set(bound, rollout);
    this.#onChange();
  }

  async #deployCanary(
    bound: Bound,
    version: Version,
    sets: Map<Pipeline, WorkerSet>,
    channels: readonly string[],
  ): Promise<void> {
    const rollout = new Rollout("canary", version, this.#context, (reason) =>
      this.#giveUp(bound, reason),
    );
    rollout.sets = sets;
    rollout.channels = channels;
    const matches = (channel: string): boolean =>
      channels.some((pattern) => patternMatches(pattern, channel));
    for (const [pipeline, set] of sets) {
      const { active } = pipeline;
      if (active === null) continue;
      set.park(false);
      await handOver(pipeline, active, { set, matches }, this.#context);
      rollout.watch(pipeline, set, active.tally);
    }
    this.#rollouts.set(bound, rollout);
    this.#onChange();
  }

  async #deployShadow(source: StageSource, percent: number): Promise<void> {
    const { bound } = source;
    const pipelines = this.#pipelines.with(bound);
    const rollout = await openShadows(source, percent, pipelines, this.#context);
    this.#rollouts.set(bound, rollout);
    this.#log("transform_deployed", rollout.version, { mode: "shadow", percent });
  }

  async #promote(bound: Bound): Promise<void> {
    const rollout = this.#rollouts.get(bound);
    if (rollout === undefined || !rollout.isActive || rollout.mode === "replace") {
      throw new TransformError("invalid", `"${bound.id}" has no shadow or canary to promote`);
    }
    const { version, mode } = rollout;
    // A shadow serves on until its successor has loaded: a version that cannot is not promoted.
    const sets =
      mode === "shadow"
        ? await openVersion(version, this.#pipelines.with(bound), this.#context)
        : rollout.sets;
    rollout.end("promoted");
    await this.#replace(bound, version, sets);
    this.#log("transform_promoted", version, { from: mode });
  }

  async #rollBack(bound: Bound): Promise<void> {
    const rollout = this.#rollouts.get(bound);
    if (rollout !== undefined && rollout.isActive && rollout.mode !== "replace") {
      rollout.end("rolled back");
      await this.#endCanary(bound, rollout);
      return;
    }
    const previous = this.#kept.take(bound);
    if (previous === undefined) {
      throw new TransformError("invalid", `"${bound.id}" has no version to go back to`);
    }
    rollout?.end("rolled back");
    this.#pipelines.setVersion(previous.version);
    for (const set of (await this.#serve(previous.sets)).values()) retire(set);
    this.#log("transform_rolled_back", previous.version, {});
    this.#onChange();
  }

  async #endCanary(bound: Bound, rollout: Rollout): Promise<void> {
    for (const [pipeline, set] of rollout.sets) {
      const { active } = pipeline;
      if (active !== null && pipeline.canary?.set === set) {
        await handOver(pipeline, active, null, this.#context);
      }
      retire(set);
    }
    this.#log("transform_rolled_back", this.#pipelines.versionOf(bound), { from: rollout.mode });
    this.#onChange();
  }

  /** Puts sets in the place of those that serve, which are parked and returned. */
  async #serve(sets: ReadonlyMap<Pipeline, WorkerSet>): Promise<Map<Pipeline, WorkerSet>> {
    const before = new Map<Pipeline, WorkerSet>();
    for (const [pipeline, set] of sets) {
      const { active } = pipeline;
      await handOver(pipeline, set, null, this.#context);
      if (active === null || active === set) continue;
      active.park(true);
      before.set(pipeline, active);
    }
    return before;
  }

  /** A version on trial is over its budget: what served before takes over. */
  #giveUp(bound: Bound, reason: string): void {
    this.#context.logger.log("error", "transform_over_budget", { transform: bound.id, reason });
    this.#inTurn(() => this.#rollBack(bound)).catch((error: unknown) => {
      this.#context.logger.log("error", "transform_rollback_failed", {
        transform: bound.id,
        message: messageOf(error),
      });
    });
  }

  #log(event: string, { bound, manifest }: Version, fields: Record<string, unknown>): void {
    const { name, version, file, integrity } = manifest;
    this.#context.logger.log("info", event, {
      transform: bound.id,
      name,
      version,
      file,
      integrity,
      ...fields,
    });
  }
}

/** Nobody waits for the teardown of what no longer serves; it is bounded. */
function retire(set: WorkerSet): void {
  void set.retire();
}

function checkMode(mode: RolloutMode): void {
  if (mode.type === "shadow" && !(mode.percent > 0 && mode.percent <= 100)) {
    throw new TransformError("invalid", "a shadow's percent must be over 0 and at most 100");
  }
  if (mode.type === "canary" && mode.channels.length === 0) {
    throw new TransformError("invalid", "a canary needs channels");
  }
}
