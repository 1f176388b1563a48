import { PROGRESS_BYTES } from "../boundary/worker-link.ts";
import type { WorkerCalls } from "../boundary/worker-link.ts";
import { HarnessError } from "./harness-error.ts";
import type { TestWorker } from "./harness-error.ts";

/** A call on its way to the thread, and its answer. */
export interface ThreadCall {
  readonly id: number;
  readonly method: keyof WorkerCalls;
  readonly parameters: readonly unknown[];
}

export interface ThreadAnswer {
  readonly id: number;
  readonly value: unknown;
  /** Null when all is well. */
  readonly error: string | null;
}

/** Looks at the progress this often while a batch runs, as a part of the time one message may take. */
const LOOKS_PER_TIMEOUT = 4;

/** A thread that answers `WorkerCalls`. */
export function startThread(): TestWorker {
  const worker = new Worker(new URL("./thread.entry.ts", import.meta.url));
  const progress = new SharedArrayBuffer(PROGRESS_BYTES);
  const words = new Int32Array(progress);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  let lost: HarnessError | null = null;

  const lose = (error: HarnessError): void => {
    lost ??= error;
    worker.terminate();
    for (const call of waiting.values()) call.reject(lost);
    waiting.clear();
  };
  worker.addEventListener("message", ({ data }: MessageEvent<ThreadAnswer>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === null) call?.resolve(data.value);
    else call?.reject(new HarnessError(data.error));
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    lose(new HarnessError(`the thread is lost: ${event.message}`));
  });
  worker.addEventListener("close", () => lose(new HarnessError("the thread has ended")));

  const call = (method: keyof WorkerCalls, ...parameters: unknown[]): Promise<unknown> => {
    if (lost !== null) return Promise.reject(lost);
    const answer = Promise.withResolvers<unknown>();
    const id = ++lastId;
    waiting.set(id, answer);
    worker.postMessage({ id, method, parameters } satisfies ThreadCall, []);
    return answer.promise;
  };

  const calls: WorkerCalls = {
    collect: (stages) => call("collect", stages) as ReturnType<WorkerCalls["collect"]>,
    load: (request) => call("load", request) as ReturnType<WorkerCalls["load"]>,
    run: (request) => call("run", request) as ReturnType<WorkerCalls["run"]>,
    takeLanes: (lanes) => call("takeLanes", lanes) as ReturnType<WorkerCalls["takeLanes"]>,
    putLanes: (snapshots) => call("putLanes", snapshots) as Promise<void>,
    replay: (lane, channel, payloads) => call("replay", lane, channel, payloads) as Promise<void>,
    test: () => call("test") as ReturnType<WorkerCalls["test"]>,
    unload: () => call("unload") as Promise<void>,
  };

  return {
    calls,
    progress,
    guard: async (promise, timeoutMs) => {
      let begun = -1;
      let sinceMs = performance.now();
      const watch = setInterval(() => {
        const now = Atomics.load(words, 0);
        if (now !== begun) {
          begun = now;
          sinceMs = performance.now();
        } else if (performance.now() - sinceMs > timeoutMs) {
          const place = begun === 0 ? "the batch" : `message ${words[2]}`;
          lose(new HarnessError(`${place} took longer than ${timeoutMs} ms`));
        }
      }, timeoutMs / LOOKS_PER_TIMEOUT);
      try {
        return await promise;
      } finally {
        clearInterval(watch);
      }
    },
    end: async () => {
      if (lost !== null) return;
      await calls.unload();
      lose(new HarnessError("the harness is closed"));
    },
  };
}
