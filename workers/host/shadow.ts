import { SlabWriter } from "../boundary/slab.ts";
import { VerdictReader, VerdictType } from "../boundary/verdicts.ts";
import type { VerdictLimits } from "../boundary/verdicts.ts";
import type { BatchReply } from "../boundary/worker-link.ts";
import type { Version } from "./binding.ts";
import type { HostContext } from "./context.ts";
import { flightOf, slabOf } from "./flight.ts";
import type { Flight } from "./flight.ts";
import type { Pipeline, SetListener } from "./pipeline.ts";
import type { Slot, SlotOwner } from "./slot.ts";
import { Tally } from "./trial.ts";
import type { WorkerSet } from "./worker-set.ts";

const MAX_DIFFERENCES = 10;
const MAX_LOSSES = 5;

export interface Difference {
  readonly channel: string;
  readonly served: string;
  readonly shadow: string;
}

/** What a shadow and the version that serves have made of the same messages. */
export interface ShadowTally {
  readonly served: Tally;
  readonly shadow: Tally;
  same: number;
  different: number;
  /** Not compared, as the shadow's worker was busy. */
  skipped: number;
  losses: number;
  readonly differences: Difference[];
}

export function newShadowTally(): ShadowTally {
  return {
    served: new Tally(),
    shadow: new Tally(),
    same: 0,
    different: 0,
    skipped: 0,
    losses: 0,
    differences: [],
  };
}

export interface ShadowOptions {
  readonly pipeline: Pipeline;
  readonly versions: readonly Version[];
  readonly percent: number;
  readonly tally: ShadowTally;
  readonly context: HostContext;
  /** Said after each comparison, and with a reason when the shadow cannot go on. */
  readonly onProgress: (brokenBecause: string | null) => void;
}

/** One verdict as it can be compared: what kind, and a hash of all that comes with it. */
interface Verdict {
  readonly kind: string;
  readonly hash: bigint;
}

const KINDS = ["pass", "replace", "drop", "fail"] as const;

/**
 * Runs another version on a share of a pipeline's traffic, after the one that serves, and compares. Nothing of it is
 * published. Lanes with state are shadowed whole or not at all.
 */
export class Shadow implements SetListener {
  readonly #options: ShadowOptions;
  readonly #writer = new SlabWriter();
  readonly #reader = new VerdictReader();
  #slot: Slot | null = null;
  #share = 0;
  #expected: readonly Verdict[] = [];
  #isOver = false;

  constructor(options: ShadowOptions) {
    this.#options = options;
  }

  /** The worker it runs on, loaded. */
  attach(slot: Slot): void {
    this.#slot = slot;
    slot.state = "free";
  }

  replied(set: WorkerSet, flight: Flight, reply: BatchReply): void {
    const { tally, pipeline } = this.#options;
    if (this.#isOver || set !== pipeline.active) return;
    const crossing = flight.crossing.filter((entry) => this.#isSampled(set, entry.lane.hash));
    if (crossing.length === 0) return;
    const slot = this.#slot;
    if (slot === null || slot.state !== "free") {
      tally.skipped += crossing.length;
      return;
    }
    const expected = this.#verdicts(
      reply,
      flight.crossing.length,
      limitsOf(set.versions, this.#max),
    );
    if (expected === null) return;
    const sampled = new Set(crossing);
    this.#expected = expected.filter((_, i) =>
      sampled.has(flight.crossing[i] as (typeof crossing)[0]),
    );
    const runMs = reply.endedMs - reply.startedMs;
    const failed = this.#expected.filter(({ kind }) => kind === "fail").length;
    const share = crossing.length / flight.crossing.length;
    tally.served.add(crossing.length, failed, runMs * share);
    const copy = flightOf(crossing, 1, null);
    slot.run(copy, slabOf(copy, this.#writer));
    this.#options.context.watchdog.wake();
  }

  judged(): void {
    // What the version that serves does is counted where it is compared.
  }

  lost(): void {
    // A worker of the version that serves says nothing of the shadow.
  }

  /** What the shadow's own worker says. */
  readonly owner: SlotOwner = {
    replied: (_slot, flight, reply) => this.#compare(flight, reply),
    lost: () => this.#lost(),
  };

  #lost(): void {
    if (this.#isOver) return;
    const { tally } = this.#options;
    tally.losses++;
    tally.shadow.add(this.#expected.length, this.#expected.length, 0);
    this.#expected = [];
    const slot = this.#slot;
    if (slot === null || tally.losses >= MAX_LOSSES) {
      this.#options.onProgress(`its worker was lost ${tally.losses} times`);
      return;
    }
    void slot.start().then((reply) => {
      if (this.#isOver) return;
      if (reply.ok) slot.state = "free";
      else this.#options.onProgress(`its worker cannot be started: ${reply.fault.message}`);
    });
    this.#options.onProgress(null);
  }

  #compare(flight: Flight, reply: BatchReply): void {
    if (this.#isOver) return;
    const { tally, versions } = this.#options;
    const expected = this.#expected;
    const count = flight.crossing.length;
    const actual =
      reply.fault === null ? this.#verdicts(reply, count, limitsOf(versions, this.#max)) : null;
    let failed = 0;
    for (let i = 0; i < count; i++) {
      const kind = actual?.[i]?.kind ?? "fail";
      if (kind === "fail") failed++;
      if (actual !== null && actual[i]?.hash === expected[i]?.hash) tally.same++;
      else this.#different(flight.crossing[i]?.channel ?? "", expected[i]?.kind ?? "", kind);
    }
    tally.shadow.add(count, failed, reply.endedMs - reply.startedMs);
    this.#options.onProgress(null);
  }

  end(): void {
    this.#isOver = true;
    const slot = this.#slot;
    if (slot !== null) this.#options.context.watchdog.remove([slot]);
    void slot?.tearDown();
  }

  get #max(): number {
    return this.#options.context.maxPayloadBytes;
  }

  #different(channel: string, served: string, shadow: string): void {
    const { tally } = this.#options;
    tally.different++;
    if (tally.differences.length < MAX_DIFFERENCES) {
      tally.differences.push({ channel, served, shadow });
    }
  }

  #isSampled(set: WorkerSet, laneHash: number): boolean {
    const { percent } = this.#options;
    if (set.limits.isPinned) return laneHash % 100 < percent;
    this.#share += percent;
    if (this.#share < 100) return false;
    this.#share -= 100;
    return true;
  }

  #verdicts(reply: BatchReply, count: number, limits: VerdictLimits): Verdict[] | null {
    const reader = this.#reader;
    try {
      reader.open(reply.verdicts, count, limits);
    } catch {
      return null;
    }
    const verdicts: Verdict[] = [];
    while (reader.next()) verdicts.push(verdictOf(reader));
    return verdicts;
  }
}

function verdictOf(reader: VerdictReader): Verdict {
  const kind = KINDS[reader.type];
  let hash = Bun.hash.wyhash(kind);
  if (reader.type === VerdictType.replace) {
    hash = Bun.hash.wyhash(reader.bytes.subarray(reader.start, reader.end), hash);
  }
  if (reader.headers !== null) hash = Bun.hash.wyhash(reader.headers, hash);
  for (const { channel, key, bytes } of reader.emissions) {
    hash = Bun.hash.wyhash(bytes, Bun.hash.wyhash(`${channel} ${key ?? ""}`, hash));
  }
  return { kind, hash };
}

function limitsOf(versions: readonly Version[], maxPayloadBytes: number): VerdictLimits {
  const maxEmissions = versions.reduce((sum, one) => sum + one.manifest.limits.maxEmissions, 0);
  return { stages: versions.length, maxPayloadBytes, maxEmissions };
}
