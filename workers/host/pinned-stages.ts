import type { PinnedCode } from "../boundary/pinned-code.ts";
import type { LoadFailure, StageRequest, WorkerCalls } from "../boundary/worker-link.ts";
import type { StageSource } from "./binding.ts";
import { hostFault } from "./flight.ts";

/**
 * What the workers of a set load. The first of them reads the code of what has not been loaded before; it and all that
 * come later, also in the place of lost ones, load just that.
 */
export class PinnedStages {
  readonly #sources: readonly StageSource[];
  readonly #directory: string;
  readonly #codes: (PinnedCode | null)[];

  constructor(sources: readonly StageSource[], directory: string) {
    this.#sources = sources;
    this.#directory = directory;
    this.#codes = sources.map(({ code }) => code);
  }

  /** What is to be loaded, with the code that has been read. */
  get sources(): readonly StageSource[] {
    return this.#sources.map((source, stage) => ({ ...source, code: this.#codes[stage] ?? null }));
  }

  get requests(): readonly StageRequest[] {
    return this.sources.map(({ bound, use, config, code }) => ({
      use,
      directory: this.#directory,
      config,
      emit: bound.emit,
      ...(code === null ? {} : { code }),
    }));
  }

  /**
   * Has a worker read the code that is not known yet. It has nothing loaded by then: what a transform does in its
   * process cannot change what other workers load.
   * @returns null when all is known
   */
  async pin(calls: WorkerCalls): Promise<LoadFailure | null> {
    const missing = [...this.#codes.keys()].filter((stage) => this.#codes[stage] === null);
    if (missing.length === 0) return null;
    const { requests } = this;
    const reply = await calls.collect(missing.flatMap((stage) => requests[stage] ?? []));
    if (!reply.ok) return { ...reply, stage: missing[reply.stage] ?? 0 };
    for (const [i, stage] of missing.entries()) {
      const code = reply.codes[i];
      if (code === undefined) {
        const fault = hostFault("load", "Error", "the worker has read no code");
        return { ok: false, stage, fault };
      }
      this.#codes[stage] ??= code;
    }
    return null;
  }
}
