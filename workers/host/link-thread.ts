import { Piscina } from "piscina";

import { PROGRESS_BYTES } from "../boundary/worker-link.ts";
import { callsThrough } from "./link.ts";
import type { LinkOptions, WorkerLink } from "./link.ts";

const ENTRY = new URL("../thread.entry.ts", import.meta.url).href;

/**
 * The thread that serves clients goes before workers when there are not processors for all. With another process busy on
 * one of two, this took the p99 of channels without transforms from 4.6 to 1.5-1.8 times that of idle, and that of the
 * event loop's delay from 3.7 to 1.6-2.1 ms (`npm run bench -- --transforms --parts saturation`, Bun 1.4.5, November
 * 2026). Where it would slow down the whole process and not the thread alone, it is left out.
 */
const NICE_INCREMENT = process.platform === "linux" ? 10 : 0;

/**
 * A worker in a thread of this process: a Piscina of exactly one thread, so that ending it touches no other.
 * No AbortSignal is used (one makes a worker exclusive and costs 2-4 times as much), and no minimum is set: a thread
 * that died is not replaced by one that has nothing loaded.
 */
export function openThreadLink(options: LinkOptions): WorkerLink {
  const pool = new Piscina({
    filename: ENTRY,
    name: "handle",
    minThreads: 0,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    idleTimeout: Infinity,
    recordTiming: false,
    // "sync" answers fastest, and holds up the worker's own timers until the next batch.
    atomics: options.isAsync ? "disabled" : "sync",
    niceIncrement: NICE_INCREMENT,
  });
  let isOver = false;
  const lost = (error: Error): void => {
    if (isOver) return;
    isOver = true;
    options.onLost(error);
  };
  // Without a listener, an exception between two batches would end the broker.
  pool.on("error", (error) => lost(error instanceof Error ? error : new Error(String(error))));
  // What the worker was asked rejects with the reason, right after this event: that is told first.
  pool.on("workerDestroy", () => setImmediate(() => lost(new Error("the worker has ended"))));
  const memory = new SharedArrayBuffer(PROGRESS_BYTES);
  return {
    calls: callsThrough((call, transfer): Promise<unknown> =>
      transfer === null ? pool.run(call) : pool.run(call, transferring(transfer)),
    ),
    progress: new Int32Array(memory),
    sharedProgress: memory,
    rssBytes: () => null,
    end() {
      isOver = true;
      // A thread in a WebAssembly loop does not end before the process does; nothing waits for it.
      pool.destroy().catch(() => undefined);
    },
  };
}

type RunOptions = NonNullable<Parameters<Piscina["run"]>[1]>;

/** Piscina's own type for the list is that of another `postMessage`. */
function transferring(buffer: ArrayBuffer): RunOptions {
  return { transferList: [buffer] as unknown as NonNullable<RunOptions["transferList"]> };
}
