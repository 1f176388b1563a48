import type { BatchReply, TransformFault, TransformManifest } from "../boundary/worker-link.ts";
import type { StageSource, Version } from "./binding.ts";
import type { Breaker } from "./breaker.ts";
import { Crew } from "./crew.ts";
import type { CrewOptions, CrewOwner } from "./crew.ts";
import { Feeder } from "./feeder.ts";
import { hostFault } from "./flight.ts";
import type { Flight, FlightFault } from "./flight.ts";
import { Flights } from "./flights.ts";
import type { Lane } from "./lane.ts";
import { ReadyLanes } from "./ready-lanes.ts";
import { mergeManifests } from "./set-limits.ts";
import type { SetLimits } from "./set-limits.ts";
import { servedBy } from "./settlement.ts";
import type { Served } from "./settlement.ts";
import type { Loss, Slot } from "./slot.ts";
import { Tally } from "./trial.ts";
import { Tripwire } from "./tripwire.ts";
import type { Watchdog } from "./watchdog.ts";

const MIB = 1024 * 1024;

export interface WorkerSetOptions extends CrewOptions {
  readonly watchdog: Watchdog;
}

/** What a set of workers tells the pipeline it belongs to. */
export interface WorkerSetOwner {
  /** What a worker has loaded, as versions. @throws Error when that must not serve */
  accept(manifests: readonly TransformManifest[], set: WorkerSet): readonly Version[];
  /** Settles a flight by its verdicts. @throws VerdictError */
  settle(set: WorkerSet, slot: Slot, flight: Flight, reply: BatchReply): void;
  /** Settles a flight by the failure policy. */
  giveUp(set: WorkerSet, flight: Flight, fault: FlightFault): void;
  /** Settles all that waits in a lane by the failure policy. */
  giveUpLane(set: WorkerSet, lane: Lane): void;
  /** Null when the worker has the lane's state; otherwise resolves when it has. */
  prepare(set: WorkerSet, slot: Slot, lane: Lane): Promise<void> | null;
  lost(set: WorkerSet, slot: Slot, loss: Loss): void;
  startFailed(set: WorkerSet, slot: Slot, fault: TransformFault): void;
  recycled(slot: Slot): void;
  /** The breaker has opened, or closed again. */
  tripped(isOpen: boolean): void;
  /** Puts a lane into line, wherever it belongs by now. */
  place(lane: Lane): void;
  /** What came with a batch that brought no verdicts. */
  notes(set: WorkerSet, reply: BatchReply): void;
}

/**
 * The workers that run one version of a pipeline, and what waits for them.
 *
 *   ready lanes --next free worker, in turn--> flight --> verdicts, or isolation on the same worker
 *
 * With lane state, a lane belongs to one worker by its hash, and each worker has a queue of its own.
 */
export class WorkerSet implements CrewOwner {
  readonly crew: Crew;
  readonly breaker: Breaker;
  readonly #tripwire: Tripwire;
  readonly #options: WorkerSetOptions;
  readonly #owner: WorkerSetOwner;
  readonly #ready: ReadyLanes;
  readonly #feeder: Feeder;
  readonly #flights: Flights;
  #isClosed = false;
  limits: SetLimits = mergeManifests([]);
  versions: readonly Version[] = [];
  served: Served = servedBy([]);
  /** Kept for a rollback: workers that are lost are not replaced. */
  isParked = false;
  /** What it has done so far. */
  readonly tally = new Tally();

  constructor(options: WorkerSetOptions, owner: WorkerSetOwner) {
    this.#options = options;
    this.#owner = owner;
    const giveUp = (flight: Flight, fault: FlightFault): void => owner.giveUp(this, flight, fault);
    this.crew = new Crew(options, this);
    this.#ready = new ReadyLanes(options.workers);
    this.#feeder = new Feeder(this.#ready, {
      prepare: (slot, lane) => owner.prepare(this, slot, lane),
      place: (lane) => owner.place(lane),
      giveUp,
      departed: () => options.watchdog.wake(),
      pump: () => this.pump(),
    });
    this.#flights = new Flights(this.#ready, this.#feeder, {
      slots: this.slots,
      limits: () => this.limits,
      isHopeless: () => this.breaker.isOpen || this.#isClosed,
      settle: (slot, flight, reply) => owner.settle(this, slot, flight, reply),
      giveUp,
    });
    this.#tripwire = new Tripwire(options.times, options.nowMs, this.#ready, {
      slots: this.slots,
      limits: () => this.limits,
      slotOf: (laneHash) => this.slotOf(laneHash),
      isPreparing: (slot) => this.#feeder.isPreparing(slot),
      launch: (slot, flight) => this.#flights.launch(slot, flight),
      giveUp,
      giveUpLane: (lane) => owner.giveUpLane(this, lane),
      revive: (slot) => this.crew.revive(slot),
      tripped: (isOpen) => owner.tripped(isOpen),
    });
    this.breaker = this.#tripwire.breaker;
    for (const slot of this.slots) {
      options.watchdog.add({
        slot,
        timeoutMs: (stage) => this.limits.timeoutMs[stage] ?? this.limits.timeoutMs[0] ?? 1000,
        heapMb: () => this.limits.heapMb,
      });
    }
  }

  get sources(): readonly StageSource[] {
    return this.#options.stages.sources;
  }

  get slots(): readonly Slot[] {
    return this.crew.slots;
  }

  /** The worker that has the lane's state. */
  slotOf(laneHash: number): Slot {
    return this.slots[laneHash % this.slots.length] as Slot;
  }

  /** Puts a lane that has something to run into line. */
  enqueue(lane: Lane): void {
    this.#ready.push(lane);
  }

  /** Takes all lanes that wait out of line. */
  takeReady(): Lane[] {
    return this.#ready.takeAll();
  }

  /** Gives free workers what waits. */
  pump(): void {
    if (!this.#isClosed) (this.breaker.isOpen ? this.#tripwire : this.#flights).pump();
  }

  loaded(manifests: readonly TransformManifest[]): void {
    const versions = this.#owner.accept(manifests, this);
    this.versions = versions;
    this.limits = mergeManifests(manifests);
    this.served = servedBy(versions);
    this.#ready.pin(this.limits.isPinned);
  }

  freed(): void {
    this.pump();
  }

  startFailed(slot: Slot, fault: TransformFault): boolean {
    this.#owner.startFailed(this, slot, fault);
    if (this.breaker.isOpen) {
      this.#tripwire.startFailed();
      return false;
    }
    const working = this.slots.find(({ state }) => state === "free" || state === "busy");
    if (working !== undefined && !this.limits.isPinned) {
      // The others do its work until it comes back: no reason to give up on all.
      this.#ready.moveIsolating(slot.index, working.index);
      this.pump();
    } else if (this.#tripwire.lost(null, false)) {
      this.#tripwire.trip();
      return false;
    }
    return this.#isNeeded();
  }

  replied(slot: Slot, flight: Flight, reply: BatchReply): void {
    this.#tripwire.succeeded(flight);
    if (reply.fault === null) this.#flights.settle(slot, flight, reply);
    else {
      const { stage, index, fault } = reply.fault;
      this.#owner.notes(this, reply);
      this.#flights.isolate(slot, flight, { fault, stage, suspect: index, workerLost: false });
    }
    const { heapMb, hasSnapshot } = this.limits;
    if (slot.heapBytes > heapMb * MIB)
      void this.crew.recycleWhenLarge(slot, heapMb * MIB, hasSnapshot).then((isRecycled) => {
        if (isRecycled) this.#owner.recycled(slot);
      });
    this.pump();
  }

  lost(slot: Slot, loss: Loss): void {
    const { flight, at, reason, message } = loss;
    this.#owner.lost(this, slot, loss);
    const isTripped = this.#tripwire.lost(flight, flight?.isolation?.isLossExpected() ?? false);
    flight?.isolation?.onLoss();
    if (flight !== null) {
      this.#flights.isolate(slot, flight, {
        fault: hostFault(reason, "WorkerLost", message),
        stage: at?.stage ?? null,
        suspect: at?.index ?? -1,
        workerLost: true,
      });
    }
    if (isTripped) this.#tripwire.trip();
    if (!this.breaker.isOpen && this.#isNeeded()) this.crew.revive(slot);
    this.pump();
  }

  /** Said of each flight that has been settled. */
  landed(): void {
    this.#flights.landed();
  }

  /** Keeps the workers as they are for a rollback, or takes them into use again. */
  park(isParked: boolean): void {
    this.isParked = isParked;
    if (!isParked) for (const slot of this.slots) this.crew.revive(slot);
  }

  /** Tears down when nothing of it is out any more. Nothing new may come to it. */
  async retire(): Promise<void> {
    this.isParked = true;
    await this.#flights.idle();
    await this.tearDown();
  }

  close(): void {
    this.#stop();
    this.crew.close();
  }

  async tearDown(): Promise<void> {
    this.#stop();
    await this.crew.tearDown();
  }

  /** Everything of the set that is out and not on a worker, for when nothing can run any more. */
  takeIsolating(): Flight[] {
    return this.#flights.takeIsolating();
  }

  #stop(): void {
    this.#isClosed = true;
    this.#feeder.close();
    this.#options.watchdog.remove(this.slots);
  }

  #isNeeded(): boolean {
    return !this.isParked || this.#flights.count > 0;
  }
}
