import type { BatchReply, TransformFault, TransformManifest } from "../boundary/worker-link.ts";
import type { Bound, Version } from "./binding.ts";
import { Breaker } from "./breaker.ts";
import { Crew } from "./crew.ts";
import type { CrewOptions, CrewOwner } from "./crew.ts";
import { Feeder } from "./feeder.ts";
import { hostFault } from "./flight.ts";
import type { Flight, FlightFault } from "./flight.ts";
import { isolate } from "./isolate.ts";
import type { Lane } from "./lane.ts";
import { Probe } from "./probe.ts";
import { ReadyLanes } from "./ready-lanes.ts";
import { mergeManifests } from "./set-limits.ts";
import type { SetLimits } from "./set-limits.ts";
import type { Served } from "./settlement.ts";
import type { Loss, Slot } from "./slot.ts";
import { Tally } from "./trial.ts";
import type { Watchdog } from "./watchdog.ts";

const MIB = 1024 * 1024;

/** A transform of a pipeline as it is to be loaded. */
export interface StageSource {
  readonly bound: Bound;
  readonly use: string;
  readonly config: unknown;
}

export interface WorkerSetOptions extends CrewOptions {
  readonly sources: readonly StageSource[];
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
  readonly #options: WorkerSetOptions;
  readonly #owner: WorkerSetOwner;
  readonly #ready: ReadyLanes;
  readonly #feeder: Feeder;
  readonly #probe: Probe;
  #nextSlot = 0;
  #isClosed = false;
  limits: SetLimits = mergeManifests([]);
  versions: readonly Version[] = [];
  served: Served = { versions: [], names: [], maxEmissions: 0 };
  /** Kept for a rollback: workers that are lost are not replaced. */
  isParked = false;
  /** Flights that are out, those that wait to be run again included. */
  flightCount = 0;
  #onIdle: (() => void)[] = [];
  /** What it has done so far. */
  readonly tally = new Tally();

  constructor(options: WorkerSetOptions, owner: WorkerSetOwner) {
    this.#options = options;
    this.#owner = owner;
    this.breaker = new Breaker(options.times.breakerWindowMs, options.times.probeIntervalMs);
    this.crew = new Crew(options, this);
    this.#probe = new Probe(this.breaker);
    this.#ready = new ReadyLanes(options.workers);
    this.#feeder = new Feeder(this.#ready, {
      prepare: (slot, lane) => owner.prepare(this, slot, lane),
      place: (lane) => owner.place(lane),
      giveUp: (flight, fault) => owner.giveUp(this, flight, fault),
      departed: () => options.watchdog.wake(),
      pump: () => this.pump(),
    });
    for (const slot of this.crew.slots) {
      options.watchdog.add({
        slot,
        timeoutMs: (stage) => this.limits.timeoutMs[stage] ?? this.limits.timeoutMs[0] ?? 1000,
        heapMb: () => this.limits.heapMb,
      });
    }
  }

  get sources(): readonly StageSource[] {
    return this.#options.sources;
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
    if (this.#isClosed) return;
    if (this.breaker.isOpen) {
      this.#pumpOpen();
      return;
    }
    const { slots } = this;
    const first = this.#nextSlot;
    this.#nextSlot = (first + 1) % slots.length;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[(first + i) % slots.length] as Slot;
      if (slot.state === "free") this.#feed(slot);
    }
  }

  loaded(manifests: readonly TransformManifest[]): void {
    const versions = this.#owner.accept(manifests, this);
    this.versions = versions;
    this.limits = mergeManifests(manifests);
    this.served = {
      versions,
      names: manifests.map(({ name, version }) => ({ name, version })),
      maxEmissions: manifests.reduce((sum, { limits }) => sum + limits.maxEmissions, 0),
    };
    this.#ready.pin(this.limits.isPinned);
  }

  freed(): void {
    this.pump();
  }

  startFailed(slot: Slot, fault: TransformFault): boolean {
    this.#owner.startFailed(this, slot, fault);
    if (this.breaker.isOpen) {
      const lane = this.#probe.failStart(this.#options.nowMs());
      if (lane !== null) this.#owner.giveUpLane(this, lane);
      return false;
    }
    const working = this.slots.find(({ state }) => state === "free" || state === "busy");
    if (working !== undefined && !this.limits.isPinned) {
      // The others do its work until it comes back: no reason to give up on all.
      this.#ready.moveIsolating(slot.index, working.index);
      this.pump();
    } else if (this.breaker.recordLoss(this.#options.nowMs())) {
      this.#trip();
      return false;
    }
    return this.#isNeeded();
  }

  replied(slot: Slot, flight: Flight, reply: BatchReply): void {
    if (this.#probe.succeed(flight)) this.#closeBreaker();
    if (reply.fault === null) this.#settle(slot, flight, reply);
    else {
      const { stage, index, fault } = reply.fault;
      this.#owner.notes(this, reply);
      this.#isolate(slot, flight, { fault, stage, suspect: index, workerLost: false });
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
    const isExpected = flight?.isolation?.isLossExpected() ?? false;
    flight?.isolation?.onLoss();
    const isTripped = this.#countLoss(flight, isExpected);
    if (flight !== null) {
      this.#isolate(slot, flight, {
        fault: hostFault(reason, "WorkerLost", message),
        stage: at?.stage ?? null,
        suspect: at?.index ?? -1,
        workerLost: true,
      });
    }
    if (isTripped) this.#trip();
    if (!this.breaker.isOpen && this.#isNeeded()) this.crew.revive(slot);
    this.pump();
  }

  /** Said of each flight that has been settled. */
  landed(): void {
    if (--this.flightCount === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Keeps the workers as they are for a rollback, or takes them into use again. */
  park(isParked: boolean): void {
    this.isParked = isParked;
    if (!isParked) for (const slot of this.slots) this.crew.revive(slot);
  }

  /** Tears down when nothing of it is out any more. Nothing new may come to it. */
  async retire(): Promise<void> {
    this.isParked = true;
    if (this.flightCount > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    await this.tearDown();
  }

  close(): void {
    this.#stopFeeding();
    this.#options.watchdog.remove(this.slots);
    this.crew.close();
  }

  async tearDown(): Promise<void> {
    this.#stopFeeding();
    this.#options.watchdog.remove(this.slots);
    await this.crew.tearDown();
  }

  /** Everything of the set that is out and not on a worker, for when nothing can run any more. */
  takeIsolating(): Flight[] {
    const preparing = this.#feeder.takePreparing();
    return [...preparing, ...this.slots.flatMap(({ index }) => this.#ready.takeIsolating(index))];
  }

  /** True when this loss opens the breaker. */
  #countLoss(flight: Flight | null, isExpected: boolean): boolean {
    const nowMs = this.#options.nowMs();
    if (!this.breaker.isOpen) return !isExpected && this.breaker.recordLoss(nowMs);
    this.#probe.lost(flight, nowMs);
    return false;
  }

  #feed(slot: Slot): void {
    const again = this.#ready.nextIsolating(slot.index);
    if (again !== undefined) {
      this.#feeder.runAgain(slot, again, this.limits);
      return;
    }
    const flight = this.#feeder.next(slot, this.slots, this.limits);
    if (flight !== null) this.#launch(slot, flight);
  }

  #launch(slot: Slot, flight: Flight): void {
    this.flightCount++;
    this.#feeder.run(slot, flight);
  }

  #settle(slot: Slot, flight: Flight, reply: BatchReply): void {
    this.#feeder.measure(flight, reply);
    try {
      this.#owner.settle(this, slot, flight, reply);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const fault = hostFault("verdict", "VerdictError", message);
      this.#isolate(slot, flight, { fault, stage: null, suspect: -1, workerLost: false });
    }
  }

  /** Runs the parts of a flight again, or settles a message that failed alone. */
  #isolate(slot: Slot, flight: Flight, fault: FlightFault): void {
    const isHopeless = this.breaker.isOpen || this.#isClosed;
    const flights = isHopeless ? null : isolate(flight, fault);
    if (flights === null) {
      const isAlone = flight.crossing.length === 1;
      this.#owner.giveUp(this, flight, isAlone ? fault : TRIPPED);
      return;
    }
    this.flightCount += flights.length - 1;
    this.#ready.isolate(slot.index, flights);
  }

  #trip(): void {
    this.#owner.tripped(true);
    this.#pumpOpen();
  }

  /** Nothing crosses but a probe, when it is time for one. */
  #pumpOpen(): void {
    for (const slot of this.slots) {
      // What waits to be isolated comes behind what the worker is at.
      if (slot.flight !== null || this.#feeder.isPreparing(slot)) continue;
      for (const flight of this.#ready.takeIsolating(slot.index)) {
        this.#owner.giveUp(this, flight, TRIPPED);
      }
    }
    const probe = this.#probe.choose(this.#ready, this.#options.nowMs());
    for (const lane of this.takeReady()) this.#owner.giveUpLane(this, lane);
    if (probe === null) return;
    const slot = this.limits.isPinned
      ? this.slotOf(probe.hash)
      : (this.slots.find(({ state }) => state === "free") ?? this.slots[0]);
    if (slot === undefined) return;
    if (slot.state === "lost") this.crew.revive(slot);
    if (slot.state !== "free") return;
    const flight = this.#probe.takeFlight(this.limits.batchBytes);
    if (flight !== null) this.#launch(slot, flight);
  }

  #closeBreaker(): void {
    this.#owner.tripped(false);
    for (const slot of this.slots) this.crew.revive(slot);
  }

  #stopFeeding(): void {
    this.#isClosed = true;
    this.#feeder.close();
  }

  #isNeeded(): boolean {
    return !this.isParked || this.flightCount > 0;
  }
}

export const TRIPPED: FlightFault = {
  fault: hostFault("crash", "BreakerOpen", "the transform's workers were lost too often"),
  stage: null,
  suspect: -1,
  workerLost: true,
};
