import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { isAnswer } from "./is-answer.ts";
import { callsThrough } from "./link.ts";
import type { LinkOptions, WorkerCall, WorkerLink } from "./link.ts";
import { createProgressFile } from "./progress-file.ts";

const ENTRY = fileURLToPath(new URL("../process.entry.ts", import.meta.url));
const PAGE_BYTES = 4096;

/** A call on its way to a process, and its answer on the way back; one channel carries them in order. */
export interface ProcessCall {
  readonly id: number;
  readonly call: WorkerCall;
}

export type ProcessAnswer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string };

interface Waiting {
  readonly method: WorkerCall["method"];
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A worker in a process of its own, with an empty environment. It ends with this one: the kernel ends it when
 * its parent dies (`--no-orphans`), also in the middle of an endless loop; and it ends by itself when the channel closes.
 */
export function openProcessLink(options: LinkOptions): WorkerLink {
  const waiting = new Map<number, Waiting>();
  const progress = createProgressFile();
  let nextId = 1;
  let isOver = false;
  const over = (error: Error): void => {
    progress?.remove();
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    if (isOver) return;
    isOver = true;
    options.onLost(error);
  };
  const child = Bun.spawn(
    [
      process.execPath,
      "--no-orphans",
      "--no-env-file",
      "--no-install",
      ENTRY,
      ...(progress === null ? [] : [progress.path]),
    ],
    {
      cwd: options.directory,
      env: {},
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
      serialization: "advanced",
      ipc(message: ProcessAnswer) {
        // A transform has the channel too: what it writes there by itself is no answer.
        const call = waiting.get(message?.id);
        if (call === undefined) return;
        waiting.delete(message.id);
        if (waiting.size === 0) child.unref();
        // The child has the memory by now: nothing is left behind, however this process ends.
        if (call.method === "load") progress?.remove();
        if (!message.ok) call.reject(new Error(message.message));
        else if (isAnswer(call.method, message.result)) call.resolve(message.result);
        else call.reject(new Error(`the worker's answer to "${call.method}" is none`));
      },
      onExit(_child, code, signal) {
        over(new Error(`the worker's process ended with ${signal ?? `code ${code}`}`));
      },
    },
  );
  // Only what is under way keeps the broker's process alive, as with a thread.
  child.unref();
  return {
    calls: callsThrough((call) => {
      if (isOver) return Promise.reject(new Error("the worker's process has ended"));
      return new Promise((resolve, reject) => {
        const id = nextId++;
        if (waiting.size === 0) child.ref();
        waiting.set(id, { method: call.method, resolve, reject });
        const request: ProcessCall = { id, call };
        child.send(request);
      });
    }),
    progress: progress?.words ?? null,
    sharedProgress: null,
    rssBytes: () => residentBytes(child.pid),
    end() {
      if (isOver) return;
      isOver = true;
      progress?.remove();
      child.kill("SIGKILL");
    },
  };
}

/** Null where the system does not tell. */
function residentBytes(pid: number): number | null {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]);
    return Number.isFinite(pages) ? pages * PAGE_BYTES : null;
  } catch {
    return null;
  }
}
