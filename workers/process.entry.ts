import type { LoadRequest } from "./boundary/worker-link.ts";
import type { ProcessAnswer, ProcessCall } from "./host/link-process.ts";
import { answer } from "./host/link.ts";
import type { WorkerCall } from "./host/link.ts";
import { mapProgress } from "./host/progress-file.ts";
import { WorkerRuntime } from "./runtime/worker-runtime.ts";

/** The main of a worker's own process: answers the host's calls until the channel to it closes. */
const runtime = new WorkerRuntime();
const progressPath = process.argv[2];

function withProgress(request: LoadRequest): LoadRequest {
  if (progressPath === undefined) return request;
  // Atomics work on mapped memory as on a SharedArrayBuffer, which nothing but a thread can be given.
  const memory = mapProgress(progressPath).buffer as unknown as SharedArrayBuffer;
  return { ...request, progress: memory };
}

async function respond({ id, call }: ProcessCall): Promise<ProcessAnswer> {
  try {
    const own: WorkerCall =
      call.method === "load" ? { method: "load", args: [withProgress(call.args[0])] } : call;
    return { id, ok: true, result: await answer(runtime, own) };
  } catch (error) {
    return { id, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

process.on("disconnect", () => process.exit(0));
// A terminal's interrupt goes to the whole group; the host decides when its workers end.
process.on("SIGINT", () => undefined);
process.on("message", (message: ProcessCall) => {
  void respond(message).then((reply) => process.send?.(reply));
});
