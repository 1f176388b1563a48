import type { TransformFault, WorkerCalls } from "../boundary/worker-link.ts";

/** A transform could not be loaded, or its worker is lost. */
export class HarnessError extends Error {
  override readonly name = "HarnessError";
  readonly fault: TransformFault | null;

  constructor(message: string, fault: TransformFault | null = null) {
    super(message);
    this.fault = fault;
  }
}

/** A worker to test in. */
export interface TestWorker {
  readonly calls: WorkerCalls;
  readonly progress: SharedArrayBuffer;
  /** The same promise; rejects when the worker is lost, or a message takes longer than its limit. */
  guard<Value>(call: Promise<Value>, timeoutMs: number): Promise<Value>;
  end(): Promise<void>;
}
