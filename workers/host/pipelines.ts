import { patternCovers } from "../../protocol/channel-name.ts";
import { isBoundTo, matchesChannel } from "./binding.ts";
import type { Bound, Version } from "./binding.ts";
import type { HostContext } from "./context.ts";
import { TransformError } from "./host-types.ts";
import { newSet, openSet } from "./open-set.ts";
import { Pipeline } from "./pipeline.ts";
import { Route } from "./route.ts";

/** Each has workers of its own; more are a mistake in the patterns. */
const MAX_PIPELINES = 64;

/** Which bindings meet on which channels, and the pipelines for it. */
export class Pipelines {
  readonly #bounds: readonly Bound[];
  readonly #context: HostContext;
  readonly #pipelines = new Map<string, Pipeline>();
  /** The version of each binding that serves, by index. */
  readonly #versions: (Version | undefined)[] = [];

  constructor(bounds: readonly Bound[], context: HostContext) {
    this.#bounds = bounds;
    this.#context = context;
  }

  all(): Pipeline[] {
    return [...this.#pipelines.values()];
  }

  with(bound: Bound): Pipeline[] {
    return this.all().filter((pipeline) => pipeline.bounds.includes(bound));
  }

  versionOf(bound: Bound): Version {
    const version = this.#versions[bound.index];
    if (version === undefined) throw new Error(`transform "${bound.id}" is not loaded`);
    return version;
  }

  setVersion(version: Version): void {
    this.#versions[version.bound.index] = version;
  }

  /**
   * Loads the pipelines that the patterns say there will be: those of channels a pattern is for.
   * @throws TransformError load
   */
  async start(): Promise<void> {
    const groups = new Map<string, readonly Bound[]>();
    for (const { channels } of this.#bounds) {
      for (const pattern of channels) {
        const bounds = this.#bounds.filter((other) =>
          other.channels.some((one) => patternCovers(one, pattern)),
        );
        groups.set(keyOf(bounds), bounds);
      }
    }
    if (groups.size > MAX_PIPELINES) {
      throw new TransformError(
        "invalid",
        `the transforms' patterns make ${groups.size} pipelines, more than ${MAX_PIPELINES}`,
      );
    }
    const loads = [...groups].map(async ([key, bounds]) => {
      const pipeline = new Pipeline(bounds, [], this.#context);
      const sources = bounds.map((bound) => ({
        bound,
        use: bound.use,
        config: bound.config,
        code: null,
      }));
      const set = await openSet(sources, this.#context, pipeline);
      pipeline.serve(set, null);
      this.#pipelines.set(key, pipeline);
      for (const version of set.versions) this.setVersion(version);
    });
    const results = await Promise.allSettled(loads);
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** The way of a channel; null when nothing is to be done with what is published there. */
  route(channel: string): Route | null {
    const bounds = this.#bounds.filter((bound) => isBoundTo(bound, channel));
    if (bounds.length === 0) return null;
    const pipeline = this.#pipelineOf(bounds);
    const isMatched = pipeline.servingVersions.some((one) => matchesChannel(one, channel));
    // What is still on its way comes first, also when nothing is to be done any more.
    const isOpen = isMatched || pipeline.lanes.all().some((lane) => lane.channel === channel);
    return isOpen ? new Route(pipeline, channel) : null;
  }

  #pipelineOf(bounds: readonly Bound[]): Pipeline {
    const key = keyOf(bounds);
    const known = this.#pipelines.get(key);
    if (known !== undefined) return known;
    // Patterns can meet on channels that neither of them covers; their pipeline begins with its first channel.
    const versions = bounds.map((bound) => this.versionOf(bound));
    const pipeline = new Pipeline(bounds, versions, this.#context);
    const isAsync = versions.some(({ manifest }) => manifest.isAsync);
    const set = newSet(versions, this.#context, pipeline, { isAsync });
    pipeline.serve(set, null);
    for (const slot of set.slots) set.crew.revive(slot);
    this.#pipelines.set(key, pipeline);
    return pipeline;
  }
}

function keyOf(bounds: readonly Bound[]): string {
  return bounds.map(({ index }) => index).join(",");
}
