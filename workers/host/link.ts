import type { WorkerCalls } from "../boundary/worker-link.ts";

/** A worker as its host holds it, whatever it runs in. */
export interface WorkerLink {
  readonly calls: WorkerCalls;
  /** What the worker tells of its progress lies here; null where memory cannot be shared. */
  readonly progress: Int32Array | null;
  /** Given to the worker when it loads; null where it finds that memory by itself, or there is none. */
  readonly sharedProgress: SharedArrayBuffer | null;
  /** Resident memory, when the worker has a process of its own; null for a thread. */
  rssBytes(): number | null;
  /** Ends the worker at once, whatever it is doing. What it was asked and has not answered rejects. */
  end(): void;
}

export interface LinkOptions {
  /** The worker is lost without having been asked anything: its exit, or an exception of its own. */
  readonly onLost: (error: Error) => void;
  /** Its timers and I/O run between batches. */
  readonly isAsync: boolean;
  readonly directory: string;
}

export type OpenLink = (options: LinkOptions) => WorkerLink;

/** What crosses to a worker: one of its calls. */
export type WorkerCall = {
  readonly [Name in keyof WorkerCalls]: {
    readonly method: Name;
    readonly args: Parameters<WorkerCalls[Name]>;
  };
}[keyof WorkerCalls];

/** Answers a call with a worker's own runtime. */
export function answer(calls: WorkerCalls, call: WorkerCall): Promise<unknown> {
  switch (call.method) {
    case "collect":
      return calls.collect(...call.args);
    case "load":
      return calls.load(...call.args);
    case "run":
      return calls.run(...call.args);
    case "takeLanes":
      return calls.takeLanes(...call.args);
    case "putLanes":
      return calls.putLanes(...call.args);
    case "replay":
      return calls.replay(...call.args);
    case "test":
      return calls.test();
    case "unload":
      return calls.unload();
  }
}

/** The calls of a worker, made of one way to send it something. */
export function callsThrough(
  send: (call: WorkerCall, transfer: ArrayBuffer | null) => Promise<unknown>,
): WorkerCalls {
  const call = <Name extends keyof WorkerCalls>(
    method: Name,
    args: Parameters<WorkerCalls[Name]>,
    transfer: ArrayBuffer | null = null,
  ): ReturnType<WorkerCalls[Name]> =>
    send({ method, args } as unknown as WorkerCall, transfer) as ReturnType<WorkerCalls[Name]>;
  return {
    collect: (stages) => call("collect", [stages]),
    load: (request) => call("load", [request]),
    run: (request) => {
      const { slab } = request;
      const isLarge = slab.byteLength >= TRANSFER_FROM_BYTES;
      return call("run", [request], isLarge ? (slab.buffer as ArrayBuffer) : null);
    },
    takeLanes: (lanes) => call("takeLanes", [lanes]),
    putLanes: (snapshots) => call("putLanes", [snapshots]),
    replay: (lane, channel, payloads) => call("replay", [lane, channel, payloads]),
    test: () => call("test", []),
    unload: () => call("unload", []),
  };
}

/**
 * Batches from this size on are transferred to a thread, smaller ones copied. CPU of both threads per crossing on
 * Bun 1.4.5, November 2026, one run of 4000: 4 KiB copied 43 us, transferred 93 us, in shared memory 73 us; 256 KiB
 * copied 125 us, transferred 107 us, shared 80 us. Shared memory is not used: text decoders and hashes that
 * authors call refuse it, and a worker that was given up could go on reading it.
 */
const TRANSFER_FROM_BYTES = 128 * 1024;
