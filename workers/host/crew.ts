import type {
  LaneSnapshot,
  LoadReply,
  TransformFault,
  TransformManifest,
} from "../boundary/worker-link.ts";
import { hostFault } from "./flight.ts";
import type { HostTimes } from "./host-options.ts";
import type { OpenLink } from "./link.ts";
import type { PinnedStages } from "./pinned-stages.ts";
import { Slot, within } from "./slot.ts";
import type { SlotOwner } from "./slot.ts";

/** A worker over its memory is replaced no more often than this, unless it is over twice of it. ms */
const RECYCLE_INTERVAL_MS = 1000;

export interface CrewOptions {
  readonly stages: PinnedStages;
  readonly workers: number;
  readonly isAsync: boolean;
  readonly openLink: OpenLink;
  readonly directory: string;
  readonly maxPayloadBytes: number;
  readonly times: HostTimes;
  readonly nowMs: () => number;
}

export interface CrewOwner extends SlotOwner {
  /** What a worker has loaded. @throws Error when that must not serve */
  loaded(manifests: readonly TransformManifest[]): void;
  /** A worker is ready for work. */
  freed(slot: Slot): void;
  /** A worker could not be started; it is tried again unless this returns false. */
  startFailed(slot: Slot, fault: TransformFault): boolean;
}

/** Keeps the workers of a set alive: starts them, starts them again, replaces those grown too large. */
export class Crew {
  readonly slots: readonly Slot[];
  readonly #options: CrewOptions;
  readonly #owner: CrewOwner;
  readonly #timers = new Map<Slot, ReturnType<typeof setTimeout>>();
  readonly #failures = new Map<Slot, number>();
  readonly #recycledAtMs = new Map<Slot, number>();
  #isClosed = false;

  constructor(options: CrewOptions, owner: CrewOwner) {
    this.#options = options;
    this.#owner = owner;
    const { openLink, stages, directory, maxPayloadBytes, isAsync, times } = options;
    this.slots = Array.from(
      { length: options.workers },
      (_, index) =>
        new Slot({ index, openLink, stages, directory, maxPayloadBytes, isAsync, times }, owner),
    );
  }

  /** Starts all workers; the first of them alone, as the others would fail like it. */
  async load(): Promise<LoadReply> {
    let reply: LoadReply = { ok: true, manifests: [] };
    const [first, ...others] = this.slots;
    if (first !== undefined) reply = await this.#start(first, []);
    if (!reply.ok) return reply;
    const replies = await Promise.all(others.map((slot) => this.#start(slot, [])));
    return replies.find((one) => !one.ok) ?? reply;
  }

  /** Starts a worker that is lost. */
  revive(slot: Slot): void {
    if (this.#isClosed || slot.state !== "lost" || this.#timers.has(slot)) return;
    void this.#revive(slot);
  }

  /** Replaces a worker whose heap is over a limit, bytes; lane states go along where they can. */
  async recycleWhenLarge(slot: Slot, limit: number, hasSnapshot: boolean): Promise<boolean> {
    const { nowMs, times } = this.#options;
    if (slot.heapBytes <= limit || slot.state !== "free") return false;
    const sinceMs = nowMs() - (this.#recycledAtMs.get(slot) ?? -Infinity);
    if (sinceMs < RECYCLE_INTERVAL_MS && slot.heapBytes < limit * 2) return false;
    this.#recycledAtMs.set(slot, nowMs());
    slot.state = "starting";
    const snapshots = hasSnapshot
      ? await within(slot.calls.takeLanes(null), times.teardownTimeoutMs).catch(() => [])
      : [];
    if (this.#isClosed) return true;
    await within(slot.calls.unload(), times.teardownTimeoutMs).catch(() => undefined);
    if (this.#isClosed) return true;
    const reply = await this.#start(slot, snapshots);
    if (!reply.ok) this.#retryLater(slot, reply.fault);
    return true;
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    for (const slot of this.slots) slot.close();
  }

  async tearDown(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.slots.map((slot) => slot.tearDown()));
    this.close();
  }

  async #revive(slot: Slot): Promise<void> {
    const reply = await this.#start(slot, []);
    if (!reply.ok) this.#retryLater(slot, reply.fault);
  }

  async #start(slot: Slot, snapshots: readonly LaneSnapshot[]): Promise<LoadReply> {
    const reply = await slot.start();
    if (!reply.ok) return reply;
    try {
      this.#owner.loaded(reply.manifests);
      if (snapshots.length > 0) {
        await within(slot.calls.putLanes(snapshots), this.#options.times.loadTimeoutMs);
        for (const { lane } of snapshots) slot.knownLanes.add(lane);
      }
    } catch (error) {
      slot.fail();
      const message = error instanceof Error ? error.message : String(error);
      return { ok: false, stage: 0, fault: hostFault("load", "Error", message) };
    }
    if (this.#isClosed) {
      slot.close();
      return reply;
    }
    this.#failures.delete(slot);
    slot.state = "free";
    this.#owner.freed(slot);
    return reply;
  }

  #retryLater(slot: Slot, fault: TransformFault): void {
    if (this.#isClosed || !this.#owner.startFailed(slot, fault)) return;
    const failures = this.#failures.get(slot) ?? 0;
    this.#failures.set(slot, failures + 1);
    const { respawnDelayMs, longestRespawnDelayMs } = this.#options.times;
    const delayMs = Math.min(longestRespawnDelayMs, respawnDelayMs * 2 ** failures);
    const timer = setTimeout(() => {
      this.#timers.delete(slot);
      this.revive(slot);
    }, delayMs);
    timer.unref();
    this.#timers.set(slot, timer);
  }
}
