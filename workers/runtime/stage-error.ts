import type { TransformFault } from "../boundary/worker-link.ts";

/** A fault that has been described already. */
export class StageError extends Error {
  override readonly name = "StageError";
  readonly fault: TransformFault;

  constructor(fault: TransformFault) {
    super(fault.message);
    this.fault = fault;
  }
}
