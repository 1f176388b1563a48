import type { Socket } from "node:net";

import type { Fault } from "./fault.ts";

/** What a flow keeps back before it stops reading, so that a slow direction fills the sender's buffers. */
const MAX_QUEUED_BYTES = 262_144;
const TRICKLE_TICK_MS = 20;
/** A trickle does not save up more than this for later. */
const MAX_SAVED_MS = 100;

/** Bytes, or how the connection ends after them. */
interface Item {
  readonly what: Buffer | "end" | "reset";
  readonly arrivedMs: number;
}

export interface FlowOptions {
  readonly from: Socket;
  readonly to: Socket;
  /** Asked anew for every step. */
  readonly fault: () => Fault;
  readonly onCarried: (byteCount: number) => void;
  readonly onDiscarded: (byteCount: number) => void;
  /** Something has come; it may have been carried already. */
  readonly onHeld: () => void;
  /** Cuts both connections at once. */
  readonly resetPair: () => void;
}

/** One direction of one connection through a proxy: a queue between two sockets, emptied as its fault says. */
export class FaultFlow {
  readonly #options: FlowOptions;
  #queue: Item[] = [];
  #queuedBytes = 0;
  #hasLostBytes = false;
  #isCongested = false;
  #isOver = false;
  /** Of a trickle: what it may carry now. */
  #allowanceBytes = 0;
  #trickledAtMs = performance.now();
  /** Of a cut: what it has carried since it was set. */
  #carriedBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: FlowOptions) {
    this.#options = options;
    const { from, to } = options;
    let hasEnded = false;
    from.setNoDelay(true);
    from.on("data", (bytes: Buffer) => this.#enqueue(bytes));
    from.on("end", () => {
      hasEnded = true;
      this.#enqueue("end");
    });
    // The close event follows and says that there was an error.
    from.on("error", () => {});
    from.on("close", (hadError) => {
      if (hadError) this.#enqueue("reset");
      else if (!hasEnded) this.#enqueue("end");
    });
    to.on("drain", () => {
      this.#isCongested = false;
      this.#pump();
    });
    to.on("close", () => this.stop());
  }

  /** Bytes that came and were not carried yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** To be called when the fault has changed. */
  onFaultChanged(): void {
    const { fault, resetPair } = this.#options;
    this.#carriedBytes = 0;
    this.#allowanceBytes = 0;
    this.#trickledAtMs = performance.now();
    if (this.#hasLostBytes && fault().kind !== "discard") resetPair();
    else this.#pump();
  }

  /** Carries nothing more. */
  stop(): void {
    this.#isOver = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    clearTimeout(this.#timer);
  }

  #enqueue(what: Item["what"]): void {
    if (this.#isOver) return;
    if (typeof what !== "string") this.#queuedBytes += what.length;
    this.#queue.push({ what, arrivedMs: performance.now() });
    this.#pump();
    this.#options.onHeld();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    const waitMs = this.#carryWhatIsDue();
    if (this.#isOver) return;
    if (waitMs !== undefined) this.#timer = setTimeout(() => this.#pump(), waitMs);
    const { from, fault } = this.#options;
    const isReading =
      fault().kind !== "hold" && !this.#isCongested && this.#queuedBytes < MAX_QUEUED_BYTES;
    if (isReading) from.resume();
    else from.pause();
  }

  /** Returns after how many ms there is more to do, if that is a matter of time. */
  #carryWhatIsDue(): number | undefined {
    const fault = this.#options.fault();
    while (!this.#isOver) {
      const [item] = this.#queue;
      if (item === undefined) return undefined;
      const nowMs = performance.now();
      switch (fault.kind) {
        case "hold":
          return undefined;
        case "discard":
          this.#discard(item);
          break;
        case "delay": {
          const dueMs = item.arrivedMs + fault.delayMs;
          if (dueMs > nowMs) return dueMs - nowMs;
          this.#carry(item, Infinity);
          break;
        }
        case "trickle": {
          this.#save(fault.bytesPerSecond, nowMs);
          const byteCount = Math.floor(this.#allowanceBytes);
          if (byteCount === 0 && typeof item.what !== "string") return TRICKLE_TICK_MS;
          this.#allowanceBytes -= this.#carry(item, byteCount);
          break;
        }
        case "cut":
          this.#carriedBytes += this.#carry(item, fault.afterBytes - this.#carriedBytes);
          if (this.#carriedBytes >= fault.afterBytes) this.#cut();
          break;
        case "pass":
          this.#carry(item, Infinity);
          break;
      }
    }
    return undefined;
  }

  #save(bytesPerSecond: number, nowMs: number): void {
    const savedMs = Math.min(nowMs - this.#trickledAtMs, MAX_SAVED_MS);
    this.#trickledAtMs = nowMs;
    // One byte must fit, however slow the trickle is.
    const maxBytes = Math.max(1, (bytesPerSecond * MAX_SAVED_MS) / 1000);
    this.#allowanceBytes = Math.min(
      maxBytes,
      this.#allowanceBytes + (bytesPerSecond * savedMs) / 1000,
    );
  }

  /** Carries the first item, or as much of it as may be. Returns the number of bytes. */
  #carry({ what, arrivedMs }: Item, maxBytes: number): number {
    const { to, onCarried } = this.#options;
    if (typeof what === "string") {
      this.#queue.shift();
      if (what === "end") to.end();
      else to.resetAndDestroy();
      return 0;
    }
    const bytes = what.subarray(0, maxBytes);
    const rest = what.subarray(bytes.length);
    if (rest.length === 0) this.#queue.shift();
    else this.#queue[0] = { what: rest, arrivedMs };
    this.#queuedBytes -= bytes.length;
    if (!to.write(bytes)) this.#isCongested = true;
    onCarried(bytes.length);
    return bytes.length;
  }

  #discard(item: Item): void {
    const { what } = item;
    if (typeof what === "string") {
      this.#carry(item, 0);
      return;
    }
    this.#queue.shift();
    this.#queuedBytes -= what.length;
    this.#hasLostBytes = true;
    this.#options.onDiscarded(what.length);
  }

  #cut(): void {
    const { from, to } = this.#options;
    this.stop();
    from.resetAndDestroy();
    to.destroySoon();
  }
}
