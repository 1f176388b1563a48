import type { HostTimes } from "./host-options.ts";
import type { Slot } from "./slot.ts";

/** Longest a batch may take for each of its messages where a worker cannot tell of its progress, times the limit. */
const MAX_BLIND_TIMEOUTS = 10;
/** A batch that runs longer than this has its memory looked at, ms. */
const MEMORY_AFTER_MS = 60;
/** After a worker was ended for its memory, the process is given this long to give it back, ms. */
const MEMORY_GRACE_MS = 500;
const MIB = 1024 * 1024;

/** What a slot that is busy may take. */
export interface Watched {
  readonly slot: Slot;
  timeoutMs(stage: number): number;
  heapMb(): number;
}

/**
 * Looks at workers that are busy, and ends those that make no progress or take too much memory. While all are idle
 * there is no timer.
 */
export class Watchdog {
  readonly #intervalMs: number;
  readonly #nowMs: () => number;
  readonly #watched = new Map<Slot, Watched>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #lastMs = 0;
  #idleLooks = 0;
  #memoryGraceMs = 0;

  constructor(times: HostTimes, nowMs: () => number) {
    this.#intervalMs = times.watchIntervalMs;
    this.#nowMs = nowMs;
  }

  add(watched: Watched): void {
    this.#watched.set(watched.slot, watched);
  }

  remove(slots: readonly Slot[]): void {
    for (const slot of slots) this.#watched.delete(slot);
  }

  /** Said whenever a worker is given work. */
  wake(): void {
    this.#idleLooks = 0;
    if (this.#timer !== null) return;
    this.#lastMs = this.#nowMs();
    this.#timer = setInterval(() => this.#look(), this.#intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    const nowMs = this.#nowMs();
    // When this thread itself was held up, workers may have answered meanwhile: that time is not held against them.
    const elapsedMs = Math.min(nowMs - this.#lastMs, this.#intervalMs * 2);
    this.#lastMs = nowMs;
    this.#memoryGraceMs = Math.max(0, this.#memoryGraceMs - elapsedMs);
    let isAnyBusy = false;
    for (const watched of this.#watched.values()) {
      if (watched.slot.state !== "busy") continue;
      isAnyBusy = true;
      this.#lookAt(watched, elapsedMs);
    }
    if (isAnyBusy) this.#idleLooks = 0;
    else if (++this.#idleLooks > 10) this.stop();
  }

  #lookAt(watched: Watched, elapsedMs: number): void {
    const { slot } = watched;
    const { progress } = slot;
    const begun = progress === null ? 0 : Atomics.load(progress, 0);
    if (slot.watchedBatch !== slot.batchNumber || slot.watchedProgress !== begun) {
      if (slot.watchedBatch !== slot.batchNumber) {
        slot.batchMs = 0;
        slot.rssAtStartBytes = slot.rssBytes() ?? process.memoryUsage.rss();
      }
      slot.watchedBatch = slot.batchNumber;
      slot.watchedProgress = begun;
      slot.stalledMs = 0;
    } else slot.stalledMs += elapsedMs;
    slot.batchMs += elapsedMs;
    const stage = progress === null ? 0 : (progress[3] as number);
    const messages = slot.flight?.crossing.length ?? 1;
    const limitMs =
      watched.timeoutMs(stage) * (progress === null ? Math.min(messages, MAX_BLIND_TIMEOUTS) : 1);
    if (slot.stalledMs >= limitMs) {
      slot.lose("timeout", `no progress for ${Math.round(limitMs)} ms`);
    } else if (slot.batchMs > MEMORY_AFTER_MS && this.#memoryGraceMs === 0) {
      this.#checkMemory(watched);
    }
  }

  #checkMemory(watched: Watched): void {
    const { slot } = watched;
    const own = slot.rssBytes();
    const rssBytes = own ?? process.memoryUsage.rss();
    // A thread shares the process: only what was added while it ran is held against it.
    const grownBytes = rssBytes - (own === null ? slot.rssAtStartBytes : 0);
    if (grownBytes <= watched.heapMb() * MIB) return;
    this.#memoryGraceMs = MEMORY_GRACE_MS;
    slot.lose("memory", `memory has grown by ${Math.round(grownBytes / MIB)} MiB in one batch`);
  }
}
