import type { BatchReply, LoadReply, WorkerCalls } from "../boundary/worker-link.ts";
import { hostFault } from "./flight.ts";
import type { Flight } from "./flight.ts";
import type { HostTimes } from "./host-options.ts";
import type { OpenLink, WorkerLink } from "./link.ts";
import type { PinnedStages } from "./pinned-stages.ts";

/**
 *   starting --loaded--> free <--> busy
 *      ^                  |         |
 *      +----- lost <------+---------+        closed: for good
 */
export type SlotState = "starting" | "free" | "busy" | "lost" | "closed";

export type LossReason = "timeout" | "memory" | "crash";

export interface SlotOptions {
  readonly index: number;
  readonly openLink: OpenLink;
  readonly stages: PinnedStages;
  readonly directory: string;
  readonly maxPayloadBytes: number;
  readonly isAsync: boolean;
  readonly times: HostTimes;
}

/** Where in its batch a worker was. */
export interface Whereabouts {
  readonly stage: number;
  /** Place in the slab of the message begun last. */
  readonly index: number;
}

export interface Loss {
  readonly reason: LossReason;
  readonly message: string;
  /** What the worker was at; null when it was idle. */
  readonly flight: Flight | null;
  /** Null when it is not known. */
  readonly at: Whereabouts | null;
}

export interface SlotOwner {
  replied(slot: Slot, flight: Flight, reply: BatchReply): void;
  /** The worker is gone. */
  lost(slot: Slot, loss: Loss): void;
}

/** One worker, and the next one in its place when it is lost. */
export class Slot {
  readonly index: number;
  readonly #options: SlotOptions;
  readonly #owner: SlotOwner;
  #link: WorkerLink | null = null;
  #flight: Flight | null = null;
  #batchNumber = 0;
  state: SlotState = "lost";
  heapBytes = 0;
  /** Counts the workers it has had; what an earlier one still says is not heard. */
  incarnation = 0;
  /** Lanes whose state this worker has, where that is built from history. */
  readonly knownLanes = new Set<string>();
  /** For the watchdog: what it saw last, and for how long nothing has moved. */
  watchedBatch = 0;
  watchedProgress = 0;
  stalledMs = 0;
  batchMs = 0;
  rssAtStartBytes = 0;

  constructor(options: SlotOptions, owner: SlotOwner) {
    this.index = options.index;
    this.#options = options;
    this.#owner = owner;
  }

  get flight(): Flight | null {
    return this.#flight;
  }

  get batchNumber(): number {
    return this.#batchNumber;
  }

  get progress(): Int32Array | null {
    return this.#link?.progress ?? null;
  }

  /** @throws Error when there is no worker */
  get calls(): WorkerCalls {
    if (this.#link === null) throw new Error("the worker is lost");
    return this.#link.calls;
  }

  rssBytes(): number | null {
    return this.#link?.rssBytes() ?? null;
  }

  /** Starts a worker and loads it. Never rejects: a worker that dies while it loads is a fault of the transform. */
  async start(): Promise<LoadReply> {
    this.#drop();
    this.state = "starting";
    const incarnation = ++this.incarnation;
    const { directory, isAsync } = this.#options;
    let link: WorkerLink;
    try {
      link = this.#options.openLink({
        directory,
        isAsync,
        onLost: (error) => this.#onLost(incarnation, error),
      });
    } catch (error) {
      // The system has no more threads or processes to give.
      this.state = "lost";
      return failedLoad("crash", error instanceof Error ? error.message : String(error));
    }
    this.#link = link;
    const reply = await this.#bounded(this.#load(link));
    if (incarnation !== this.incarnation || this.#isClosed()) {
      return reply.ok ? failedLoad("crash", "the worker was ended while it loaded") : reply;
    }
    if (!reply.ok) this.#drop();
    // Whoever started it makes it free when what it has loaded is in order.
    this.state = reply.ok ? "starting" : "lost";
    return reply;
  }

  run(flight: Flight, slab: Uint8Array): void {
    const link = this.#link;
    if (link === null || this.state !== "free") throw new Error(`worker ${this.index} is not free`);
    const { incarnation } = this;
    this.state = "busy";
    this.#flight = flight;
    const number = (this.#batchNumber = (this.#batchNumber + 1) & 0x7fff_ffff);
    this.batchMs = 0;
    this.stalledMs = 0;
    link.calls.run({ number, attempt: flight.attempt, slab }).then(
      (reply) => {
        if (incarnation !== this.incarnation || this.state !== "busy") return;
        this.#flight = null;
        this.state = "free";
        this.heapBytes = reply.heapBytes;
        this.#owner.replied(this, flight, reply);
      },
      (error: Error) => this.#onLost(incarnation, error),
    );
  }

  /** Ends the worker and says so to the owner. */
  lose(reason: LossReason, message: string): void {
    if (this.state === "closed" || this.state === "lost") return;
    const flight = this.#flight;
    const at = this.#whereabouts();
    this.#drop();
    this.state = "lost";
    this.#owner.lost(this, { reason, message, flight, at });
  }

  /** Ends a worker that has started and must not serve. */
  fail(): void {
    this.#drop();
    this.state = "lost";
  }

  /** Ends the worker for good, without a word. */
  close(): void {
    this.#drop();
    this.state = "closed";
  }

  /** Lets the transforms tear down, within bounds, then ends the worker. */
  async tearDown(): Promise<void> {
    const link = this.#link;
    if (link !== null && (this.state === "free" || this.state === "starting")) {
      this.state = "closed";
      await within(link.calls.unload(), this.#options.times.teardownTimeoutMs).catch(
        () => undefined,
      );
    }
    this.close();
  }

  #whereabouts(): Whereabouts | null {
    const words = this.#link?.progress ?? null;
    if (words === null || Atomics.load(words, 0) === 0) return null;
    if (words[1] !== this.#batchNumber) return null;
    return { stage: words[3] as number, index: words[2] as number };
  }

  #onLost(incarnation: number, error: Error): void {
    if (incarnation !== this.incarnation || this.state === "starting") return;
    this.lose("crash", error.message);
  }

  #drop(): void {
    this.incarnation++;
    this.#link?.end();
    this.#link = null;
    this.#flight = null;
    this.heapBytes = 0;
    this.knownLanes.clear();
  }

  #isClosed(): boolean {
    return this.state === "closed";
  }

  async #load({ calls, sharedProgress: progress }: WorkerLink): Promise<LoadReply> {
    const { index: worker, stages, maxPayloadBytes } = this.#options;
    const failure = await stages.pin(calls);
    if (failure !== null) return failure;
    return calls.load({ worker, stages: stages.requests, progress, maxPayloadBytes });
  }

  async #bounded(load: Promise<LoadReply>): Promise<LoadReply> {
    try {
      return await within(load, this.#options.times.loadTimeoutMs);
    } catch (error) {
      return failedLoad("load", error instanceof Error ? error.message : String(error));
    }
  }
}

function failedLoad(type: "load" | "crash", message: string): LoadReply {
  return { ok: false, stage: 0, fault: hostFault(type, "Error", message) };
}

/** @throws Error when the time is over first */
export async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`the worker has not answered within ${timeoutMs} ms`)),
    timeoutMs,
  );
  timer.unref();
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}
