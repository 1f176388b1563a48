import type { BatchReply } from "../boundary/worker-link.ts";
import type { Feeder } from "./feeder.ts";
import { hostFault } from "./flight.ts";
import type { Flight, FlightFault } from "./flight.ts";
import { isolate } from "./isolate.ts";
import type { ReadyLanes } from "./ready-lanes.ts";
import type { SetLimits } from "./set-limits.ts";
import type { Slot } from "./slot.ts";
import { TRIPPED } from "./tripwire.ts";

/** What flights ask of the set they belong to. */
export interface FlightsOwner {
  readonly slots: readonly Slot[];
  /** Of what is loaded by now. */
  limits(): SetLimits;
  /** Nothing that failed can be run again. */
  isHopeless(): boolean;
  /** Settles a flight by its verdicts. @throws VerdictError */
  settle(slot: Slot, flight: Flight, reply: BatchReply): void;
  /** Settles a flight by the failure policy. */
  giveUp(flight: Flight, fault: FlightFault): void;
}

/** Flights of a set that are out: from the worker they are put on until each of their parts is settled. */
export class Flights {
  readonly #ready: ReadyLanes;
  readonly #feeder: Feeder;
  readonly #owner: FlightsOwner;
  /** Those that wait to be run again included. */
  count = 0;
  #nextSlot = 0;
  #onIdle: (() => void)[] = [];

  constructor(ready: ReadyLanes, feeder: Feeder, owner: FlightsOwner) {
    this.#ready = ready;
    this.#feeder = feeder;
    this.#owner = owner;
  }

  /** Gives free workers, in turn, what is to be run next. */
  pump(): void {
    const { slots } = this.#owner;
    const first = this.#nextSlot;
    this.#nextSlot = (first + 1) % slots.length;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[(first + i) % slots.length] as Slot;
      if (slot.state === "free") this.#feed(slot, slots);
    }
  }

  launch(slot: Slot, flight: Flight): void {
    this.count++;
    this.#feeder.run(slot, flight);
  }

  settle(slot: Slot, flight: Flight, reply: BatchReply): void {
    this.#feeder.measure(flight, reply);
    try {
      this.#owner.settle(slot, flight, reply);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const fault = hostFault("verdict", "VerdictError", message);
      this.isolate(slot, flight, { fault, stage: null, suspect: -1, workerLost: false });
    }
  }

  /** Runs the parts of a flight again, or settles a message that failed alone. */
  isolate(slot: Slot, flight: Flight, fault: FlightFault): void {
    const flights = this.#owner.isHopeless() ? null : isolate(flight, fault);
    if (flights === null) {
      const isAlone = flight.crossing.length === 1;
      this.#owner.giveUp(flight, isAlone ? fault : TRIPPED);
      return;
    }
    this.count += flights.length - 1;
    this.#ready.isolate(slot.index, flights);
  }

  /** Said of each flight that has been settled. */
  landed(): void {
    if (--this.count === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Resolves when none is out. */
  async idle(): Promise<void> {
    if (this.count > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Everything that is out and not on a worker, for when nothing can run any more. */
  takeIsolating(): Flight[] {
    const preparing = this.#feeder.takePreparing();
    const { slots } = this.#owner;
    return [...preparing, ...slots.flatMap(({ index }) => this.#ready.takeIsolating(index))];
  }

  #feed(slot: Slot, slots: readonly Slot[]): void {
    const limits = this.#owner.limits();
    const again = this.#ready.nextIsolating(slot.index);
    if (again !== undefined) {
      this.#feeder.runAgain(slot, again, limits);
      return;
    }
    const flight = this.#feeder.next(slot, slots, limits);
    if (flight !== null) this.launch(slot, flight);
  }
}
