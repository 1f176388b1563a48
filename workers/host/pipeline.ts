import type { BatchReply, TransformFault, TransformManifest } from "../boundary/worker-link.ts";
import { Arena } from "./arena.ts";
import { checkFit, strictestShed } from "./binding.ts";
import type { Bound, Version } from "./binding.ts";
import { preciseWallMs } from "./context.ts";
import type { HostContext } from "./context.ts";
import { PipelineCounters } from "./counters.ts";
import type { Flight, FlightFault } from "./flight.ts";
import { Intake } from "./intake.ts";
import { LaneBook } from "./lane-book.ts";
import { orderOf } from "./lane-order.ts";
import type { Entry, Lane } from "./lane.ts";
import { PipelineReport } from "./pipeline-report.ts";
import { decidingStage } from "./policy.ts";
import { prepareLane } from "./prepare-lane.ts";
import { Settlement } from "./settlement.ts";
import type { Loss, Slot } from "./slot.ts";
import { TRIPPED } from "./tripwire.ts";
import type { WorkerSet, WorkerSetOwner } from "./worker-set.ts";

/** Hears how a set does, while a version of it is on trial. */
export interface SetListener {
  /** Before the messages are settled: their bytes are still there. */
  replied(set: WorkerSet, flight: Flight, reply: BatchReply): void;
  judged(set: WorkerSet, messages: number, failed: number, runMs: number): void;
  lost(set: WorkerSet): void;
}

/** A set that serves some channels of a pipeline instead of the active one. */
export interface Canary {
  readonly set: WorkerSet;
  readonly matches: (channel: string) => boolean;
}

/**
 * The transforms that are bound to the same channels, in one crossing: lanes, the bytes of what is on its way, and the
 * sets of workers that serve. A fault in one pipeline never touches another.
 */
export class Pipeline implements WorkerSetOwner {
  readonly bounds: readonly Bound[];
  readonly counters: PipelineCounters;
  readonly lanes: LaneBook;
  readonly intake: Intake;
  readonly #context: HostContext;
  readonly #report: PipelineReport;
  readonly #settlement: Settlement;
  #versions: readonly Version[];
  #onSettled: (() => void)[] = [];
  #active: WorkerSet | null = null;
  canary: Canary | null = null;
  listener: SetListener | null = null;
  /** Changes with the versions that serve. */
  generation = 0;

  /** @param versions what is known of the bindings before the first worker is ready */
  constructor(bounds: readonly Bound[], versions: readonly Version[], context: HostContext) {
    this.bounds = bounds;
    this.#versions = versions;
    this.#context = context;
    this.counters = new PipelineCounters(bounds.length);
    this.#report = new PipelineReport(bounds, this.counters, context);
    const arena = new Arena();
    this.#settlement = new Settlement({
      sink: context.sink,
      arena,
      counters: this.counters,
      logger: context.logger,
      maxPayloadBytes: context.maxPayloadBytes,
      wallMs: preciseWallMs,
    });
    this.lanes = new LaneBook(orderOf(versions.map(({ manifest }) => manifest)), this);
    this.intake = new Intake({
      arena,
      lanes: this.lanes,
      shed: strictestShed(bounds),
      laneQueue: () => this.#active?.limits.laneQueue ?? DEFAULT_LANE_QUEUE,
      closedForMs: () => this.#closedForMs(),
      pending: () => this.pending,
    });
  }

  get active(): WorkerSet | null {
    return this.#active;
  }

  /** Versions that may serve, of the active set and of a canary. */
  get servingVersions(): readonly Version[] {
    return this.canary === null ? this.#versions : [...this.#versions, ...this.canary.set.versions];
  }

  /** Messages taken in and not settled. */
  get pending(): number {
    return this.intake.taken - this.#settlement.settledCount;
  }

  /** Lets a set serve from now on; lanes come over as they get their turn. */
  serve(set: WorkerSet, canary: Canary | null): void {
    const before = this.#active;
    this.#active = set;
    this.#versions = set.versions.length > 0 ? set.versions : this.#versions;
    this.canary = canary;
    this.generation++;
    const waiting = [...(before?.takeReady() ?? []), ...(canary?.set.takeReady() ?? [])];
    this.lanes.reorder(orderOf(this.servingVersions.map(({ manifest }) => manifest)));
    for (const lane of waiting) this.lanes.place(lane);
    this.lanes.turnSoon();
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.pending > 0) {
      await new Promise<void>((resolve) => this.#onSettled.push(resolve));
    }
  }

  /** Rejects all that is on its way, lane by lane in order. The workers are gone by then. */
  refuseAll(sets: readonly WorkerSet[], message: string): void {
    for (const set of sets) {
      const flying = set.slots.flatMap(({ flight }) => (flight === null ? [] : [flight]));
      set.close();
      for (const { entries } of [...flying, ...set.takeIsolating()]) {
        for (const entry of entries) this.#settlement.refused(entry, message);
      }
    }
    for (const lane of this.lanes.all()) {
      for (let entry = lane.shift(); entry !== undefined; entry = lane.shift()) {
        this.#settlement.refused(entry, message);
      }
    }
    this.#checkSettled();
  }

  passOver(entry: Entry): void {
    this.#settlement.passedOver(entry);
  }

  place(lane: Lane): void {
    this.lanes.place(lane);
    this.lanes.turnSoon();
  }

  enqueue(lane: Lane): void {
    this.#setOf(lane)?.enqueue(lane);
  }

  pump(): void {
    this.#active?.pump();
    this.canary?.set.pump();
    if (this.#onSettled.length > 0) this.#checkSettled();
  }

  accept(manifests: readonly TransformManifest[], set: WorkerSet): readonly Version[] {
    const versions = set.sources.map((source, stage): Version => {
      const manifest = manifests[stage] as TransformManifest;
      checkFit(source.bound, manifest);
      return { ...source, manifest };
    });
    if (set === this.#active) {
      this.#versions = versions;
      this.generation++;
    }
    return versions;
  }

  settle(set: WorkerSet, slot: Slot, flight: Flight, reply: BatchReply): void {
    this.listener?.replied(set, flight, reply);
    const failed = this.#settlement.replied(flight, reply, set.served, slot.index);
    if (reply.notes !== null) this.notes(set, reply);
    const runMs = reply.endedMs - reply.startedMs;
    set.tally.add(flight.crossing.length, failed, runMs);
    this.listener?.judged(set, flight.crossing.length, failed, runMs);
    this.#landed(set, flight);
  }

  notes(set: WorkerSet, { notes }: BatchReply): void {
    if (notes !== null) this.#report.notes(notes, set.served);
  }

  giveUp(set: WorkerSet, flight: Flight, { fault, stage }: FlightFault): void {
    const { name, message } = fault;
    const type = fault === TRIPPED.fault ? "tripped" : fault.type;
    const failure = { stage, type, message: `${name}: ${message}`, attempt: flight.attempt };
    const served = set.versions.length > 0 ? set.served : this.#served();
    for (const entry of flight.entries) this.#settlement.failed(entry, served, failure);
    const failed = flight.crossing.length;
    set.tally.add(failed, failed, 0);
    if (failed > 0) this.listener?.judged(set, failed, failed, 0);
    this.#landed(set, flight);
  }

  giveUpLane(set: WorkerSet, lane: Lane): void {
    lane.state = "flying";
    const { message } = TRIPPED.fault;
    const failure = { stage: null, type: "tripped", message, attempt: 1 };
    const served = set.versions.length > 0 ? set.served : this.#served();
    // What the broker submits in answer waits for the next turn.
    for (let left = lane.waiting.length; left > 0; left--) {
      const entry = lane.shift();
      if (entry !== undefined) this.#settlement.failed(entry, served, failure);
    }
    this.lanes.landed(lane);
    if (lane.isLive) this.lanes.turnSoon();
    if (this.#onSettled.length > 0) this.#checkSettled();
  }

  prepare(set: WorkerSet, slot: Slot, lane: Lane): Promise<void> | null {
    return prepareLane(set, slot, lane, this.#context);
  }

  lost(set: WorkerSet, slot: Slot, loss: Loss): void {
    this.#report.lost(slot, loss);
    this.listener?.lost(set);
  }

  startFailed(set: WorkerSet, slot: Slot, fault: TransformFault): void {
    this.#report.startFailed(slot, fault);
    this.listener?.lost(set);
  }

  recycled(slot: Slot): void {
    this.#report.recycled(slot);
  }

  tripped(isOpen: boolean): void {
    this.#report.tripped(isOpen);
  }

  #landed(set: WorkerSet, flight: Flight): void {
    set.landed();
    let last: Lane | null = null;
    for (const { lane } of flight.entries) {
      if (lane === last) continue;
      last = lane;
      this.lanes.landed(lane);
    }
    // Lanes that land from one set may be another's now, which does not know of it.
    if (set !== this.#active || this.canary !== null) this.lanes.turnSoon();
    if (this.#onSettled.length > 0) this.#checkSettled();
  }

  #checkSettled(): void {
    if (this.pending === 0) for (const resolve of this.#onSettled.splice(0)) resolve();
  }

  #setOf(lane: Lane): WorkerSet | null {
    return this.canary?.matches(lane.channel) === true ? this.canary.set : this.#active;
  }

  #served(): WorkerSet["served"] {
    return { versions: this.#versions, names: [], maxEmissions: 0 };
  }

  /** An open breaker refuses at once what it would only hand back. */
  #closedForMs(): number | null {
    const breaker = this.#active?.breaker;
    if (breaker === undefined || !breaker.isOpen || this.canary !== null) return null;
    const deciding = this.#versions[decidingStage(this.#versions, null)];
    if (deciding?.bound.onError !== "nack") return null;
    const nowMs = this.#context.clock.nowMs();
    return breaker.isProbing || !breaker.mayProbe(nowMs) ? breaker.waitMs(nowMs) : null;
  }
}

/** Until the first worker has told its limits. */
const DEFAULT_LANE_QUEUE = 4096;
