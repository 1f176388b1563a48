import { matchesChannel } from "./binding.ts";
import type { TransformRefusal, TransformRoute } from "./host-types.ts";
import type { Lane } from "./lane.ts";
import type { Pipeline } from "./pipeline.ts";

/** The way of one channel into its pipeline. */
export class Route implements TransformRoute {
  readonly #pipeline: Pipeline;
  readonly #channel: string;
  #lane: Lane | null = null;
  /** What the pipeline's versions match, as of this generation of it. */
  #generation = -1;
  #minBytes = 0;
  #maxBytes = Infinity;

  constructor(pipeline: Pipeline, channel: string) {
    this.#pipeline = pipeline;
    this.#channel = channel;
  }

  submit(
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    key: string | null,
    ticket: unknown,
  ): TransformRefusal | null {
    const pipeline = this.#pipeline;
    if (this.#generation !== pipeline.generation) this.#refresh();
    let lane = this.#lane;
    if (lane === null || !lane.isLive || pipeline.lanes.order !== "channel") {
      lane = pipeline.lanes.laneOf(this.#channel, key, pipeline.active?.slots.length ?? 1);
      this.#lane = lane;
    }
    const size = end - start;
    const isMatching = size >= this.#minBytes && size <= this.#maxBytes;
    return pipeline.intake.take(lane, this.#channel, source, start, end, meta, ticket, isMatching);
  }

  /** A message is run when any version that may serve the channel has something to do with it. */
  #refresh(): void {
    this.#generation = this.#pipeline.generation;
    this.#lane = null;
    this.#minBytes = Infinity;
    this.#maxBytes = -1;
    for (const version of this.#pipeline.servingVersions) {
      if (!matchesChannel(version, this.#channel)) continue;
      const { minBytes, maxBytes } = version.manifest.match;
      this.#minBytes = Math.min(this.#minBytes, minBytes);
      this.#maxBytes = Math.max(this.#maxBytes, maxBytes);
    }
  }
}
