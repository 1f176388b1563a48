import { SlabWriter } from "../boundary/slab.ts";
import type { BatchReply } from "../boundary/worker-link.ts";
import type { Fifo } from "./fifo.ts";
import { hostFault, slabOf, takeFlight } from "./flight.ts";
import type { Flight, FlightFault } from "./flight.ts";
import { TARGET_CROSSING_MS } from "./host-options.ts";
import type { Lane } from "./lane.ts";
import type { ReadyLanes } from "./ready-lanes.ts";
import type { SetLimits } from "./set-limits.ts";
import type { Slot } from "./slot.ts";

/** First guess of a message's run time, ms: the first crossings are small. */
const FIRST_RUN_MS = TARGET_CROSSING_MS / 32;

/** What a feeder asks of the set it belongs to. */
export interface FeederOwner {
  /** Null when the worker has the lane's state; otherwise resolves when it has. */
  prepare(slot: Slot, lane: Lane): Promise<void> | null;
  /** Puts a lane into line, wherever it belongs by now. */
  place(lane: Lane): void;
  /** Settles a flight that has nothing to run, or no worker to run on. */
  giveUp(flight: Flight, fault: FlightFault): void;
  /** A flight is on its worker. */
  departed(): void;
  /** A worker is free again without having run anything. */
  pump(): void;
}

/**
 * Makes flights of the lanes that wait and hands them to workers. A worker that lacks the state of a lane has it built
 * first: lanes in line are held meanwhile, a flight to be run again keeps its worker.
 */
export class Feeder {
  readonly #owner: FeederOwner;
  readonly #ready: ReadyLanes;
  readonly #writer = new SlabWriter();
  /** Flights to be run again, whose lanes' states are being built. */
  readonly #preparing = new Map<Slot, Flight>();
  #averageRunMs = FIRST_RUN_MS;
  #isClosed = false;

  constructor(ready: ReadyLanes, owner: FeederOwner) {
    this.#ready = ready;
    this.#owner = owner;
  }

  isPreparing(slot: Slot): boolean {
    return this.#preparing.has(slot);
  }

  takePreparing(): Flight[] {
    const flights = [...this.#preparing.values()];
    this.#preparing.clear();
    return flights;
  }

  /** Takes a flight for a free worker off the lanes in line; null when none can go. */
  next(slot: Slot, slots: readonly Slot[], limits: SetLimits): Flight | null {
    const queue = this.#ready.of(slot.index);
    if (queue.length === 0) return null;
    // Lanes are shared out between the workers that are free.
    const free = this.#ready.isShared ? countFree(slots) : 1;
    let lanes = Math.ceil(queue.length / free);
    const messages = Math.max(
      1,
      Math.min(limits.batch, Math.round(TARGET_CROSSING_MS / this.#averageRunMs)),
    );
    return takeFlight(() => (lanes-- > 0 ? this.#nextLane(slot, queue, limits) : null), {
      messages,
      bytes: limits.batchBytes,
    });
  }

  run(slot: Slot, flight: Flight): void {
    if (flight.crossing.length === 0) {
      this.#owner.giveUp(flight, NO_FAULT);
      this.#owner.pump();
      return;
    }
    slot.run(flight, slabOf(flight, this.#writer));
    this.#owner.departed();
  }

  /** Runs a flight again, on a worker that may be a new one, without the states its lanes had. */
  runAgain(slot: Slot, flight: Flight, limits: SetLimits): void {
    const preparing: Promise<void>[] = [];
    if (limits.lookBack > 0) {
      for (const lane of new Set(flight.crossing.map((entry) => entry.lane))) {
        const one = this.#owner.prepare(slot, lane);
        if (one !== null) preparing.push(one);
      }
    }
    if (preparing.length === 0) {
      this.run(slot, flight);
      return;
    }
    const { incarnation } = slot;
    slot.state = "starting";
    this.#preparing.set(slot, flight);
    void Promise.all(preparing).then(() => {
      if (this.#preparing.get(slot) !== flight) return;
      this.#preparing.delete(slot);
      const isSame = slot.incarnation === incarnation;
      if (isSame) slot.state = "free";
      if (isSame && !this.#isClosed) this.run(slot, flight);
      else this.#owner.giveUp(flight, NO_FAULT);
    });
  }

  /** Learns from what a flight took how many messages the next ones should have. */
  measure(flight: Flight, { startedMs, endedMs }: BatchReply): void {
    const perMessageMs = (endedMs - startedMs) / Math.max(1, flight.crossing.length);
    this.#averageRunMs += (Math.max(0.0001, perMessageMs) - this.#averageRunMs) * 0.2;
  }

  close(): void {
    this.#isClosed = true;
  }

  #nextLane(slot: Slot, queue: Fifo<Lane>, limits: SetLimits): Lane | null {
    for (let lane = queue.shift(); lane !== undefined; lane = queue.shift()) {
      const preparing = limits.lookBack === 0 ? null : this.#owner.prepare(slot, lane);
      if (preparing === null) return lane;
      lane.state = "held";
      const held = lane;
      void preparing.then(() => this.#owner.place(held));
    }
    return null;
  }
}

function countFree(slots: readonly Slot[]): number {
  let free = 0;
  for (const { state } of slots) if (state === "free") free++;
  return Math.max(1, free);
}

const NO_FAULT: FlightFault = {
  fault: hostFault("crash", "WorkerLost", "the worker was lost before the message could run"),
  stage: null,
  suspect: -1,
  workerLost: true,
};
