import { VerdictWriter } from "../boundary/verdict-writer.ts";
import { VerdictType } from "../boundary/verdicts.ts";
import type { BatchFault } from "../boundary/worker-link.ts";
import { Batch } from "./batch.ts";
import type { Extras } from "./batch.ts";
import { changedHeaders } from "./headers.ts";
import type { Progress } from "./progress.ts";
import type { Stage } from "./stage.ts";

export type PipelineResult =
  | { readonly verdicts: Uint8Array; readonly fault: null }
  | { readonly verdicts: null; readonly fault: BatchFault };

/** Stages in a row: what one lets go on is what the next one gets. One batch at a time. */
export class Pipeline {
  readonly stages: readonly Stage[];
  readonly #progress: Progress;
  readonly #batch = new Batch();
  readonly #writer = new VerdictWriter();

  constructor(stages: readonly Stage[], progress: Progress) {
    this.stages = stages;
    this.#progress = progress;
  }

  /** @throws SlabError */
  async run(slab: Uint8Array, attempt: number): Promise<PipelineResult> {
    const batch = this.#batch;
    batch.open(slab);
    for (const stage of this.stages) {
      batch.select(stage.match);
      if (batch.aliveCount === 0) continue;
      const result = stage.run(batch, attempt, this.#progress);
      const fault = result instanceof Promise ? await result : result;
      if (fault !== null) return { verdicts: null, fault };
    }
    return { verdicts: this.#verdicts(), fault: null };
  }

  #verdicts(): Uint8Array {
    const batch = this.#batch;
    const { count } = batch.slab;
    this.#writer.begin(count);
    for (let i = 0; i < count; i++) {
      const extras = batch.hasExtras ? batch.extrasOf(i) : undefined;
      if (extras !== undefined) this.#writeWithExtras(i, extras);
      else if (batch.types[i] !== VerdictType.pass) this.#writeReplaced(i);
    }
    return this.#writer.finish();
  }

  #writeReplaced(index: number): void {
    const { arena, starts, ends } = this.#batch;
    this.#writer.replace(index, arena.bytes, starts[index] as number, ends[index] as number);
  }

  #writeWithExtras(index: number, extras: Extras): void {
    const batch = this.#batch;
    const writer = this.#writer;
    const type = batch.types[index] as number;
    if (type === VerdictType.fail && extras.failure !== null) {
      writer.fail(index, extras.failure);
      return;
    }
    const { emissions } = extras;
    if (type === VerdictType.drop) {
      writer.drop(index, extras.dropStage, extras.dropReason);
      if (emissions.length > 0) writer.emissions(index, emissions, batch.arena.bytes);
      return;
    }
    let headers: Uint8Array | null;
    try {
      headers = changedHeaders(batch, index);
    } catch (error) {
      const message = error instanceof Error ? error.message : "headers cannot be encoded";
      const stage = extras.headers.at(-1)?.stage ?? 0;
      writer.fail(index, { stage, cause: "verdict", name: "RangeError", message, location: "" });
      return;
    }
    if (type === VerdictType.replace) this.#writeReplaced(index);
    if (emissions.length > 0) writer.emissions(index, emissions, batch.arena.bytes);
    if (headers !== null) writer.headers(index, headers);
  }
}
