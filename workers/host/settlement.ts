import { patternMatches } from "../../protocol/channel-name.ts";
import { withHeaders } from "../boundary/meta-headers.ts";
import { VerdictReader, VerdictType } from "../boundary/verdicts.ts";
import type { BatchReply } from "../boundary/worker-link.ts";
import type { Arena } from "./arena.ts";
import type { Version } from "./binding.ts";
import type { PipelineCounters } from "./counters.ts";
import type { Flight } from "./flight.ts";
import type { HostLogger, TransformOutcome, TransformSink, TransformTiming } from "./host-types.ts";
import { EntryMode } from "./lane.ts";
import type { Entry } from "./lane.ts";
import { failureOutcome } from "./policy.ts";
import type { Failure } from "./policy.ts";

const NO_EMISSIONS: readonly never[] = [];
const NO_STAGES: readonly never[] = [];

export interface SettlementOptions {
  readonly sink: TransformSink;
  readonly arena: Arena;
  readonly counters: PipelineCounters;
  readonly logger: HostLogger;
  readonly maxPayloadBytes: number;
  readonly wallMs: () => number;
}

/** The version of the worker that answered, as timings tell of it. */
export interface Served {
  readonly versions: readonly Version[];
  readonly names: TransformTiming["stages"];
  readonly maxEmissions: number;
}

export function servedBy(versions: readonly Version[]): Served {
  const names = versions.map(({ manifest: { name, version } }) => ({ name, version }));
  const maxEmissions = versions.reduce((sum, one) => sum + one.manifest.limits.maxEmissions, 0);
  return { versions, names, maxEmissions };
}

/** Hands outcomes to the broker, and the bytes back. */
export class Settlement {
  readonly #options: SettlementOptions;
  readonly #reader = new VerdictReader();
  /** Messages settled, ever. */
  settledCount = 0;

  constructor(options: SettlementOptions) {
    this.#options = options;
  }

  /**
   * Settles a flight by its verdicts.
   * @returns how many messages failed
   * @throws VerdictError when the verdicts are not those of this flight; nothing is settled then
   */
  replied(flight: Flight, reply: BatchReply, served: Served, worker: number): number {
    const { counters, maxPayloadBytes } = this.#options;
    const reader = this.#reader;
    reader.open(reply.verdicts, flight.crossing.length, {
      stages: served.versions.length,
      maxPayloadBytes,
      maxEmissions: served.maxEmissions,
    });
    const { startedMs, endedMs } = reply;
    const batchSize = flight.crossing.length;
    let passed = 0;
    let failed = 0;
    for (const entry of flight.entries) {
      if (entry.mode !== EntryMode.run) {
        this.passedOver(entry);
        continue;
      }
      reader.next();
      const { enteredMs } = entry;
      const timing: TransformTiming = {
        enteredMs,
        startedMs,
        endedMs,
        stages: served.names,
        worker,
        batchSize,
        attempt: flight.attempt,
        fault: null,
      };
      counters.queue.record(startedMs - enteredMs);
      if (
        reader.type === VerdictType.pass &&
        reader.headers === null &&
        reader.emissions.length === 0
      ) {
        passed++;
        const { chunk, start, end, meta } = entry;
        this.#settle(entry, {
          type: "publish",
          bytes: chunk.bytes,
          start,
          end,
          meta,
          emissions: NO_EMISSIONS,
          timing,
        });
      } else if (this.#judge(entry, served, timing, flight.attempt)) failed++;
    }
    if (passed > 0) counters.verdict("pass", passed);
    counters.run.record(endedMs - startedMs);
    return failed;
  }

  /** A message that does not cross: it passes unchanged, or was dropped for newer ones. */
  passedOver(entry: Entry): void {
    const { counters, wallMs } = this.#options;
    const { chunk, start, end, meta, enteredMs } = entry;
    if (entry.mode === EntryMode.shed) {
      counters.verdict("shed");
      const timing = null;
      this.#settle(entry, { type: "drop", reason: "shed", emissions: NO_EMISSIONS, timing });
      return;
    }
    counters.verdict("skip");
    const nowMs = wallMs();
    this.#settle(entry, {
      type: "publish",
      bytes: chunk.bytes,
      start,
      end,
      meta,
      emissions: NO_EMISSIONS,
      timing: {
        enteredMs,
        startedMs: nowMs,
        endedMs: nowMs,
        stages: NO_STAGES,
        worker: -1,
        batchSize: 0,
        attempt: 1,
        fault: null,
      },
    });
  }

  /** A message whose transform could not do its work gets the failure policy. */
  failed(entry: Entry, served: Served, failure: Failure): void {
    if (entry.mode !== EntryMode.run) {
      this.passedOver(entry);
      return;
    }
    const nowMs = this.#options.wallMs();
    const timing: TransformTiming = {
      enteredMs: entry.enteredMs,
      startedMs: nowMs,
      endedMs: nowMs,
      stages: served.names,
      worker: -1,
      batchSize: 1,
      attempt: failure.attempt,
      fault: { type: failure.type, message: failure.message },
    };
    this.#fail(entry, served, failure, timing);
  }

  /** A message that cannot be taken through any more: the broker is stopping. */
  refused(entry: Entry, message: string): void {
    const error = { code: "unavailable", message, retryAfterMs: null } as const;
    this.#options.counters.verdict("refused");
    this.#settle(entry, { type: "reject", error, timing: null });
  }

  /** Settles by the verdict the reader is at. True when it is a failure. */
  #judge(entry: Entry, served: Served, timing: TransformTiming, attempt: number): boolean {
    const reader = this.#reader;
    const { counters } = this.#options;
    if (reader.type === VerdictType.fail) {
      const { stage, cause, errorName, errorMessage } = reader;
      const message = errorMessage === "" ? errorName : `${errorName}: ${errorMessage}`;
      const fault = { type: cause, message };
      this.#fail(entry, served, { stage, type: cause, message, attempt }, { ...timing, fault });
      return true;
    }
    const { emissions } = reader;
    const stray = emissions.find(({ stage, channel }) => !mayEmit(served, stage, channel));
    if (stray !== undefined) {
      const { stage, channel } = stray;
      const type = "emission";
      const message = `the binding does not allow to emit to "${channel}"`;
      const fault = { type, message };
      this.#fail(entry, served, { stage, type, message, attempt }, { ...timing, fault });
      return true;
    }
    for (const { stage } of emissions) counters.stageVerdict(stage, "emit");
    if (reader.type === VerdictType.drop) {
      counters.stageVerdict(reader.stage, "drop");
      const said = reader.reason === "" ? {} : { message: reader.reason };
      this.#settle(entry, { type: "drop", reason: "verdict", ...said, emissions, timing });
      return false;
    }
    const isReplaced = reader.type === VerdictType.replace;
    const meta = reader.headers === null ? entry.meta : withHeaders(entry.meta, reader.headers);
    if (meta === null && entry.meta !== null) {
      const message = "headers: the publication's meta would be larger than it may be";
      const type = "verdict";
      const failure = { stage: null, type, message, attempt };
      this.#fail(entry, served, failure, { ...timing, fault: { type, message } });
      return true;
    }
    counters.verdict(isReplaced ? "replace" : "pass");
    this.#settle(entry, {
      type: "publish",
      bytes: isReplaced ? reader.bytes : entry.chunk.bytes,
      start: isReplaced ? reader.start : entry.start,
      end: isReplaced ? reader.end : entry.end,
      meta,
      emissions,
      timing,
    });
    return false;
  }

  #fail(entry: Entry, served: Served, failure: Failure, timing: TransformTiming): void {
    const { counters, wallMs } = this.#options;
    const { stage, type, message } = failure;
    counters.fault(stage, wallMs(), type, message, entry.channel);
    if (stage === null) counters.verdict("fail");
    else counters.stageVerdict(stage, "fail");
    this.#settle(entry, failureOutcome(entry, served.versions, failure, timing));
  }

  #settle(entry: Entry, outcome: TransformOutcome): void {
    entry.lane.flying--;
    this.settledCount++;
    try {
      this.#options.sink.settled(entry.ticket, outcome);
    } catch (error) {
      // The others of the batch are settled all the same.
      const message = error instanceof Error ? error.message : String(error);
      this.#options.logger.log("error", "transform_sink_failed", { message });
    }
    if (entry.mode !== EntryMode.shed)
      this.#options.arena.give(entry.chunk, entry.end - entry.start);
  }
}

/** A worker checks what its transforms emit; it is checked again where it counts. */
function mayEmit({ versions }: Served, stage: number, channel: string): boolean {
  const patterns = versions[stage]?.bound.emit ?? [];
  return patterns.some((pattern) => patternMatches(pattern, channel));
}
