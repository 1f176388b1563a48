import type { TransformFault, WorkerNotes } from "../boundary/worker-link.ts";
import type { TransformLogger, TransformMetrics } from "../sdk/transform.ts";

/** Log lines one stage may write in a second; the rest is counted. */
export const MAX_LOGS_PER_SECOND = 100;
/** Names of metrics one stage may use, as long as it is loaded. */
export const MAX_METRIC_NAMES = 50;
/** Faults outside of batches that wait for the next reply. */
const MAX_FAULTS = 20;
const MAX_MESSAGE_CHARS = 1000;
const MAX_FIELDS = 20;
const MAX_FIELD_CHARS = 500;
const METRIC_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

type Level = WorkerNotes["logs"][number]["level"];

interface Sum {
  value: number;
  count: number;
}

/** What stages log and count until the next reply takes it along. All of it is plain data. */
export class Notes {
  readonly #wallMs: () => number;
  #logs: WorkerNotes["logs"][number][] = [];
  #logsSuppressed = 0;
  #metrics: WorkerNotes["metrics"][number][] = [];
  #metricsSuppressed = 0;
  #faults: WorkerNotes["faults"][number][] = [];
  #faultsSuppressed = 0;
  #isEmpty = true;
  readonly #stages: StageMetrics[] = [];

  constructor(wallMs: () => number = Date.now) {
    this.#wallMs = wallMs;
  }

  logger(stage: number): TransformLogger {
    let second = 0;
    let written = 0;
    const log = (level: Level, message: string, fields?: Readonly<Record<string, unknown>>) => {
      const now = Math.floor(this.#wallMs() / 1000);
      if (now !== second) {
        second = now;
        written = 0;
      }
      this.#isEmpty = false;
      if (written >= MAX_LOGS_PER_SECOND) {
        this.#logsSuppressed++;
        return;
      }
      written++;
      const text = plainText(message, MAX_MESSAGE_CHARS);
      this.#logs.push({ stage, level, message: text, fields: plainFields(fields) });
    };
    return {
      debug: (message, fields) => log("debug", message, fields),
      info: (message, fields) => log("info", message, fields),
      warn: (message, fields) => log("warn", message, fields),
      error: (message, fields) => log("error", message, fields),
    };
  }

  metrics(stage: number): TransformMetrics {
    const metrics = new StageMetrics(stage, (isTaken) => {
      this.#isEmpty = false;
      if (!isTaken) this.#metricsSuppressed++;
    });
    this.#stages.push(metrics);
    return {
      count: (name, value = 1) => metrics.add("count", name, value),
      observe: (name, value) => metrics.add("observe", name, value),
    };
  }

  fault(stage: number, fault: TransformFault): void {
    this.#isEmpty = false;
    if (this.#faults.length >= MAX_FAULTS) this.#faultsSuppressed++;
    else this.#faults.push({ stage, fault });
  }

  /** Everything since the last call; null when nothing was noted. */
  take(): WorkerNotes | null {
    if (this.#isEmpty) return null;
    for (const stage of this.#stages) stage.takeInto(this.#metrics);
    const notes: WorkerNotes = {
      logs: this.#logs,
      logsSuppressed: this.#logsSuppressed,
      metrics: this.#metrics,
      metricsSuppressed: this.#metricsSuppressed,
      faults: this.#faults,
      faultsSuppressed: this.#faultsSuppressed,
    };
    this.#logs = [];
    this.#logsSuppressed = 0;
    this.#metrics = [];
    this.#metricsSuppressed = 0;
    this.#faults = [];
    this.#faultsSuppressed = 0;
    this.#isEmpty = true;
    return notes;
  }
}

/** Sums by name: a batch sends one value of each, however often it was counted. */
class StageMetrics {
  readonly #stage: number;
  readonly #noted: (isTaken: boolean) => void;
  readonly #sums = { count: new Map<string, Sum>(), observe: new Map<string, Sum>() };

  constructor(stage: number, noted: (isTaken: boolean) => void) {
    this.#stage = stage;
    this.#noted = noted;
  }

  add(kind: "count" | "observe", name: string, value: number): void {
    const { count, observe } = this.#sums;
    const sums = this.#sums[kind];
    let sum = sums.get(name);
    if (sum === undefined) {
      const isFull = count.size + observe.size >= MAX_METRIC_NAMES;
      if (isFull || !METRIC_NAME.test(name)) {
        this.#noted(false);
        return;
      }
      sum = { value: 0, count: 0 };
      sums.set(name, sum);
    }
    // A counter that goes down, or a sum that is not a number, would spoil all that was counted before.
    if (!Number.isFinite(value) || (kind === "count" && value < 0)) {
      this.#noted(false);
      return;
    }
    sum.value += value;
    sum.count++;
    this.#noted(true);
  }

  takeInto(metrics: WorkerNotes["metrics"][number][]): void {
    for (const kind of ["count", "observe"] as const) {
      for (const [name, sum] of this.#sums[kind]) {
        if (sum.count === 0) continue;
        metrics.push({ stage: this.#stage, kind, name, value: sum.value, count: sum.count });
        sum.value = 0;
        sum.count = 0;
      }
    }
  }
}

function plainFields(
  fields: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> {
  const plain: Record<string, unknown> = {};
  if (typeof fields !== "object" || fields === null) return plain;
  for (const [name, value] of Object.entries(fields).slice(0, MAX_FIELDS)) {
    plain[name.slice(0, 100)] =
      typeof value === "number" || typeof value === "boolean" || value === null
        ? value
        : plainText(value, MAX_FIELD_CHARS);
  }
  return plain;
}

/** Text of anything: what a plugin logs may be neither cloned nor kept. */
function plainText(value: unknown, maxChars: number): string {
  let text: string;
  try {
    text =
      typeof value === "string"
        ? value
        : value instanceof Error
          ? `${value.name}: ${value.message}`
          : Bun.inspect(value, { depth: 3 });
  } catch {
    // A getter or a proxy of the plugin's threw.
    text = "(cannot be shown)";
  }
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}
