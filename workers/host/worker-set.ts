import { SlabWriter } from "../boundary/slab.ts";
import type { BatchReply, TransformFault, TransformManifest } from "../boundary/worker-link.ts";
import type { Bound, Version } from "./binding.ts";
import { Breaker } from "./breaker.ts";
import { Crew } from "./crew.ts";
import type { CrewOptions, CrewOwner } from "./crew.ts";
import type { Fifo } from "./fifo.ts";
import { hostFault, slabOf, takeFlight } from "./flight.ts";
import type { Flight, FlightFault } from "./flight.ts";
import { TARGET_CROSSING_MS } from "./host-options.ts";
import type { Lane } from "./lane.ts";
import { ReadyLanes } from "./ready-lanes.ts";
import { isolate } from "./retry.ts";
import { mergeManifests } from "./set-limits.ts";
import type { SetLimits } from "./set-limits.ts";
import type { Served } from "./settlement.ts";
import type { Loss, Slot } from "./slot.ts";
import { Tally } from "./trial.ts";
import type { Watchdog } from "./watchdog.ts";

const MIB = 1024 * 1024;
/** First guess of a message's run time, ms: the first crossings are small. */
const FIRST_RUN_MS = TARGET_CROSSING_MS / 32;

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
  readonly #writer = new SlabWriter();
  readonly #ready: ReadyLanes;
  /** What is let through an open breaker: first its lane, until a worker is there, then its flight. */
  #probe: Lane | null = null;
  #probeFlight: Flight | null = null;
  /** Flights to be run again, whose lanes' states are being built. */
  readonly #preparing = new Map<Slot, Flight>();
  #averageRunMs = FIRST_RUN_MS;
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
    this.#ready = new ReadyLanes(options.workers);
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
    const probe = this.#probe;
    if (this.breaker.isOpen) {
      this.breaker.failProbe(this.#options.nowMs());
      this.#probe = null;
      if (probe !== null) this.#owner.giveUpLane(this, probe);
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
    if (flight === this.#probeFlight) this.#probeSucceeded();
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
    this.#isClosed = true;
    this.#options.watchdog.remove(this.slots);
    this.crew.close();
  }

  async tearDown(): Promise<void> {
    this.#isClosed = true;
    this.#options.watchdog.remove(this.slots);
    await this.crew.tearDown();
  }

  /** Everything of the set that is out and not on a worker, for when nothing can run any more. */
  takeIsolating(): Flight[] {
    const preparing = [...this.#preparing.values()];
    this.#preparing.clear();
    return [...preparing, ...this.slots.flatMap(({ index }) => this.#ready.takeIsolating(index))];
  }

  /** True when this loss opens the breaker. */
  #countLoss(flight: Flight | null, isExpected: boolean): boolean {
    const nowMs = this.#options.nowMs();
    if (!this.breaker.isOpen) return !isExpected && this.breaker.recordLoss(nowMs);
    if (flight !== null && flight === this.#probeFlight) {
      this.#probeFlight = null;
      this.breaker.failProbe(nowMs);
    }
    return false;
  }

  #feed(slot: Slot): void {
    const again = this.#ready.nextIsolating(slot.index);
    if (again !== undefined) {
      this.#runAgain(slot, again);
      return;
    }
    const { batch, batchBytes } = this.limits;
    const queue = this.#ready.of(slot.index);
    if (queue.length === 0) return;
    // Lanes are shared out between the workers that are free.
    const free = this.#ready.isShared ? this.#freeCount() : 1;
    let lanes = Math.ceil(queue.length / free);
    const messages = Math.max(
      1,
      Math.min(batch, Math.round(TARGET_CROSSING_MS / this.#averageRunMs)),
    );
    const flight = takeFlight(() => (lanes-- > 0 ? this.#nextLane(slot, queue) : null), {
      messages,
      bytes: batchBytes,
    });
    if (flight === null) return;
    this.flightCount++;
    this.#run(slot, flight);
  }

  #nextLane(slot: Slot, queue: Fifo<Lane>): Lane | null {
    for (let lane = queue.shift(); lane !== undefined; lane = queue.shift()) {
      const preparing = this.limits.lookBack === 0 ? null : this.#owner.prepare(this, slot, lane);
      if (preparing === null) return lane;
      lane.state = "held";
      const held = lane;
      void preparing.then(() => this.#owner.place(held));
    }
    return null;
  }

  #run(slot: Slot, flight: Flight): void {
    if (flight.crossing.length === 0) {
      this.#owner.giveUp(this, flight, NO_FAULT);
      this.pump();
      return;
    }
    slot.run(flight, slabOf(flight, this.#writer));
    this.#options.watchdog.wake();
  }

  /** Runs a flight again, on a worker that may be a new one, without the states its lanes had. */
  #runAgain(slot: Slot, flight: Flight): void {
    const preparing: Promise<void>[] = [];
    if (this.limits.lookBack > 0) {
      for (const lane of new Set(flight.crossing.map((entry) => entry.lane))) {
        const one = this.#owner.prepare(this, slot, lane);
        if (one !== null) preparing.push(one);
      }
    }
    if (preparing.length === 0) {
      this.#run(slot, flight);
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
      if (isSame && !this.#isClosed) this.#run(slot, flight);
      else this.#owner.giveUp(this, flight, NO_FAULT);
    });
  }

  #settle(slot: Slot, flight: Flight, reply: BatchReply): void {
    const perMessageMs = (reply.endedMs - reply.startedMs) / Math.max(1, flight.crossing.length);
    this.#averageRunMs += (Math.max(0.0001, perMessageMs) - this.#averageRunMs) * 0.2;
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
      if (slot.flight !== null || this.#preparing.has(slot)) continue;
      for (const flight of this.#ready.takeIsolating(slot.index)) {
        this.#owner.giveUp(this, flight, TRIPPED);
      }
    }
    const { breaker } = this;
    if (this.#probe === null && breaker.mayProbe(this.#options.nowMs())) {
      this.#probe = this.#ready.takeFirst();
      if (this.#probe !== null) breaker.beginProbe();
    }
    const probe = this.#probe;
    for (const lane of this.takeReady()) this.#owner.giveUpLane(this, lane);
    if (probe === null) return;
    const slot = this.limits.isPinned
      ? this.slotOf(probe.hash)
      : (this.slots.find(({ state }) => state === "free") ?? this.slots[0]);
    if (slot === undefined) return;
    if (slot.state === "lost") this.crew.revive(slot);
    if (slot.state !== "free") return;
    this.#probe = null;
    let left: Lane | null = probe;
    const next = (): Lane | null => {
      const lane = left;
      left = null;
      return lane;
    };
    const flight = takeFlight(next, { messages: 1, bytes: this.limits.batchBytes });
    if (flight === null || flight.crossing.length === 0) breaker.cancelProbe();
    if (flight === null) return;
    this.#probeFlight = flight;
    this.flightCount++;
    this.#run(slot, flight);
  }

  #probeSucceeded(): void {
    this.#probeFlight = null;
    this.breaker.close();
    this.#owner.tripped(false);
    for (const slot of this.slots) this.crew.revive(slot);
  }

  #isNeeded(): boolean {
    return !this.isParked || this.flightCount > 0;
  }

  #freeCount(): number {
    let free = 0;
    for (const { state } of this.slots) if (state === "free") free++;
    return Math.max(1, free);
  }
}

const NO_FAULT: FlightFault = {
  fault: hostFault("crash", "WorkerLost", "the worker was lost before the message could run"),
  stage: null,
  suspect: -1,
  workerLost: true,
};

export const TRIPPED: FlightFault = {
  fault: hostFault("crash", "BreakerOpen", "the transform's workers were lost too often"),
  stage: null,
  suspect: -1,
  workerLost: true,
};
