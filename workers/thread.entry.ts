import type { WorkerCall } from "./host/link.ts";
import { answer } from "./host/link.ts";
import { WorkerRuntime } from "./runtime/worker-runtime.ts";

let runtime: WorkerRuntime | null = null;

/** What Piscina calls in the thread: one call of the host's. */
export async function handle(call: WorkerCall): Promise<unknown> {
  const isFirst = call.method === "collect" || call.method === "load";
  if (isFirst) runtime ??= new WorkerRuntime();
  // A thread that Piscina put in the place of one that died has no state: the host starts it over.
  if (runtime === null) throw new Error("the worker has nothing loaded");
  return answer(runtime, call);
}
