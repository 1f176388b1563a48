import { WorkerRuntime } from "../runtime/worker-runtime.ts";
import type { ThreadAnswer, ThreadCall } from "./thread-worker.ts";

/** The thread of `harness().inWorker()`: the runtime that a broker's workers have, behind plain messages. */
declare const self: Worker;

type Method = (...parameters: unknown[]) => Promise<unknown>;

const runtime = new WorkerRuntime();

async function answer({ id, method, parameters }: ThreadCall): Promise<void> {
  let reply: ThreadAnswer;
  try {
    const call = runtime[method] as Method;
    reply = { id, value: await call.apply(runtime, [...parameters]), error: null };
  } catch (error) {
    reply = { id, value: null, error: error instanceof Error ? error.message : "the call failed" };
  }
  self.postMessage(reply, []);
}

self.addEventListener("message", ({ data }: MessageEvent<ThreadCall>) => {
  void answer(data);
});
