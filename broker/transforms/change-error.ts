import { BrokerError, TransformChangeError } from "../api.ts";
import type { TransformFaultReport } from "../api.ts";

/** What the runner's refusals carry, by shape. */
interface Refusal extends Error {
  readonly fault?: Partial<TransformFaultReport> | null;
}

/** Turns a refusal of the runner into one of the broker; anything else is handed back as it is. */
export function asChangeError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof BrokerError) return error;
  const { fault, message, name } = error as Refusal;
  if (name !== "TransformError") return error;
  return new TransformChangeError(message, faultReport(fault ?? null), { cause: error });
}

function faultReport(fault: Partial<TransformFaultReport> | null): TransformFaultReport | null {
  if (fault === null) return null;
  const { type = "load", message = "", file = null, line = null, issues = [] } = fault;
  return { type, message, file, line, issues };
}
