import type { TransformFault, WorkerNotes } from "../boundary/worker-link.ts";
import type { Bound } from "./binding.ts";
import type { HostContext } from "./context.ts";
import type { PipelineCounters } from "./counters.ts";
import { reportNotes } from "./report-notes.ts";
import type { Served } from "./settlement.ts";
import type { Loss, Slot } from "./slot.ts";

/** Tells operators what a pipeline's workers go through: a line in the log, and what is counted. */
export class PipelineReport {
  readonly #bounds: readonly Bound[];
  readonly #counters: PipelineCounters;
  readonly #context: HostContext;

  constructor(bounds: readonly Bound[], counters: PipelineCounters, context: HostContext) {
    this.#bounds = bounds;
    this.#counters = counters;
    this.#context = context;
  }

  lost(slot: Slot, { reason, message, at, flight }: Loss): void {
    this.#counters.restart(reason);
    // A loss that costs a message its run is counted as that message's fault.
    if (flight === null) this.#fault(at?.stage ?? null, reason, message);
    this.#log("warn", "transform_worker_lost", { worker: slot.index, reason, message });
  }

  startFailed(slot: Slot, fault: TransformFault): void {
    const { type, message, file, line } = fault;
    this.#counters.restart("start");
    this.#fault(null, type, message);
    const fields = { worker: slot.index, type, message, file, line };
    this.#log("error", "transform_worker_start_failed", fields);
  }

  recycled(slot: Slot): void {
    this.#counters.restart("recycle");
    this.#log("info", "transform_worker_recycled", { worker: slot.index });
  }

  tripped(isOpen: boolean): void {
    this.#log(isOpen ? "error" : "info", isOpen ? "transform_tripped" : "transform_recovered", {});
  }

  /** What the transforms themselves had to say. */
  notes(notes: WorkerNotes, served: Served): void {
    reportNotes(notes, served, this.#counters, this.#context);
  }

  #fault(stage: number | null, type: string, message: string): void {
    this.#counters.fault(stage, this.#context.clock.wallMs(), type, message, null);
  }

  #log(level: "info" | "warn" | "error", event: string, fields: Record<string, unknown>): void {
    const transform = this.#bounds.map(({ id }) => id).join(",");
    this.#context.logger.log(level, event, { transform, ...fields });
  }
}
