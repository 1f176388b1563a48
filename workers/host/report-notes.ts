import type { WorkerNotes } from "../boundary/worker-link.ts";
import type { HostContext } from "./context.ts";
import type { PipelineCounters } from "./counters.ts";
import type { Served } from "./settlement.ts";

/** Passes on what transforms logged and counted, and what went wrong outside of their batches. */
export function reportNotes(
  notes: WorkerNotes,
  served: Served,
  counters: PipelineCounters,
  { logger, clock }: HostContext,
): void {
  const idOf = (stage: number): string => served.versions[stage]?.bound.id ?? "";
  for (const { stage, level, message, fields } of notes.logs) {
    logger.log(level, "transform_log", { ...fields, transform: idOf(stage), message });
  }
  if (notes.logsSuppressed > 0) {
    logger.log("warn", "transform_logs_suppressed", {
      transform: idOf(0),
      count: notes.logsSuppressed,
    });
  }
  for (const { stage, name, value, count } of notes.metrics) {
    counters.stages[stage]?.custom(name, value, count);
  }
  for (const { stage, fault } of notes.faults) {
    counters.fault(stage, clock.wallMs(), fault.type, `${fault.name}: ${fault.message}`, null);
    logger.log("error", "transform_fault", {
      transform: idOf(stage),
      type: fault.type,
      message: fault.message,
      file: fault.file,
      line: fault.line,
    });
  }
}
