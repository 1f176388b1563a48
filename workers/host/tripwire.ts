import { Breaker } from "./breaker.ts";
import { hostFault } from "./flight.ts";
import type { Flight, FlightFault } from "./flight.ts";
import type { HostTimes } from "./host-options.ts";
import type { Lane } from "./lane.ts";
import { Probe } from "./probe.ts";
import type { ReadyLanes } from "./ready-lanes.ts";
import type { SetLimits } from "./set-limits.ts";
import type { Slot } from "./slot.ts";

/** What a tripwire asks of the set it belongs to. */
export interface TripwireOwner {
  readonly slots: readonly Slot[];
  /** Of what is loaded by now. */
  limits(): SetLimits;
  /** The worker that has the lane's state. */
  slotOf(laneHash: number): Slot;
  /** Whether a lane's state is being built for the worker. */
  isPreparing(slot: Slot): boolean;
  launch(slot: Slot, flight: Flight): void;
  /** Settles by the failure policy. */
  giveUp(flight: Flight, fault: FlightFault): void;
  giveUpLane(lane: Lane): void;
  revive(slot: Slot): void;
  /** The breaker has opened, or closed again. */
  tripped(isOpen: boolean): void;
}

/**
 * What becomes of a set whose workers are lost too often: nothing crosses any more but one message at a time, which
 * tries whether it can.
 */
export class Tripwire {
  readonly breaker: Breaker;
  readonly #probe: Probe;
  readonly #ready: ReadyLanes;
  readonly #nowMs: () => number;
  readonly #owner: TripwireOwner;

  constructor(times: HostTimes, nowMs: () => number, ready: ReadyLanes, owner: TripwireOwner) {
    this.breaker = new Breaker(times.breakerWindowMs, times.probeIntervalMs);
    this.#probe = new Probe(this.breaker);
    this.#nowMs = nowMs;
    this.#ready = ready;
    this.#owner = owner;
  }

  get isOpen(): boolean {
    return this.breaker.isOpen;
  }

  /**
   * Counts the loss of a worker and what it was at.
   * @returns true when this one opens the breaker: then `trip`
   */
  lost(flight: Flight | null, isExpected: boolean): boolean {
    const nowMs = this.#nowMs();
    if (!this.isOpen) return !isExpected && this.breaker.recordLoss(nowMs);
    this.#probe.lost(flight, nowMs);
    return false;
  }

  /** No worker could be started while the breaker is open. */
  startFailed(): void {
    const lane = this.#probe.failStart(this.#nowMs());
    if (lane !== null) this.#owner.giveUpLane(lane);
  }

  /** A worker has answered: what was let through to try ends the trip. */
  succeeded(flight: Flight): void {
    if (!this.#probe.succeed(flight)) return;
    this.#owner.tripped(false);
    for (const slot of this.#owner.slots) this.#owner.revive(slot);
  }

  trip(): void {
    this.#owner.tripped(true);
    this.pump();
  }

  /** While the breaker is open: gives up what waits, and lets one message through when it is time. */
  pump(): void {
    const owner = this.#owner;
    for (const slot of owner.slots) {
      // What waits to be isolated comes behind what the worker is at.
      if (slot.flight !== null || owner.isPreparing(slot)) continue;
      for (const flight of this.#ready.takeIsolating(slot.index)) owner.giveUp(flight, TRIPPED);
    }
    const probe = this.#probe.choose(this.#ready, this.#nowMs());
    for (const lane of this.#ready.takeAll()) owner.giveUpLane(lane);
    if (probe === null) return;
    const limits = owner.limits();
    const slot = limits.isPinned
      ? owner.slotOf(probe.hash)
      : (owner.slots.find(({ state }) => state === "free") ?? owner.slots[0]);
    if (slot === undefined) return;
    if (slot.state === "lost") owner.revive(slot);
    if (slot.state !== "free") return;
    const flight = this.#probe.takeFlight(limits.batchBytes);
    if (flight !== null) owner.launch(slot, flight);
  }
}

export const TRIPPED: FlightFault = {
  fault: hostFault("crash", "BreakerOpen", "the transform's workers were lost too often"),
  stage: null,
  suspect: -1,
  workerLost: true,
};
