import type { TransformFault } from "../boundary/worker-link.ts";

/**
 * What the broker and the runner know of each other, from this side. broker/ports.ts says the same, and
 * broker/main.ts is where the compiler holds them together.
 */
export interface HostClock {
  /** Monotonic, ms. */
  nowMs(): number;
  /** Wall clock, ms since 1970. */
  wallMs(): number;
}

export interface HostLogger {
  log(
    level: "debug" | "info" | "warn" | "error",
    event: string,
    fields?: Readonly<Record<string, unknown>>,
  ): void;
}

/** What becomes of a publication when its transform cannot do its work. */
export type ErrorPolicy = "drop" | "pass" | "nack" | `dead-letter:${string}`;

/** What happens to a publication whose lane is full. */
export type ShedPolicy = "reject" | "bypass" | "drop-oldest";

export type Isolation = "thread" | "process";

/** One transform on the channels of some patterns, as the operator bound it. */
export interface TransformBinding {
  /** Default: made of `use`. */
  readonly id?: string | undefined;
  /** Path (from the directory) or package. */
  readonly use: string;
  readonly channels: readonly string[];
  readonly config?: unknown;
  readonly onError: ErrorPolicy;
  /** Patterns of channels it may emit to. */
  readonly emit?: readonly string[] | undefined;
  /** Default 1. */
  readonly workers?: number | undefined;
  readonly isolation?: Isolation | undefined;
  /** Default "reject". */
  readonly shed?: ShedPolicy | undefined;
}

export interface TransformEmission {
  readonly channel: string;
  readonly bytes: Uint8Array;
  readonly key: string | null;
}

export interface TransformTiming {
  readonly enteredMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly stages: readonly { readonly name: string; readonly version: string }[];
  readonly worker: number;
  readonly batchSize: number;
  readonly attempt: number;
  readonly fault: { readonly type: string; readonly message: string } | null;
}

export interface TransformRefusal {
  readonly code:
    "transformRejected" | "transformFailed" | "overloaded" | "tooManyRequests" | "unavailable";
  readonly message: string;
  readonly retryAfterMs: number | null;
}

export type TransformOutcome =
  | {
      readonly type: "publish";
      readonly bytes: Uint8Array;
      readonly start: number;
      readonly end: number;
      readonly meta: Uint8Array | null;
      readonly emissions: readonly TransformEmission[];
      readonly timing: TransformTiming;
    }
  | {
      readonly type: "drop";
      readonly reason: "verdict" | "failed" | "shed";
      /** What the transform says of its verdict, where it says something. */
      readonly message?: string;
      readonly emissions: readonly TransformEmission[];
      readonly timing: TransformTiming | null;
    }
  | {
      readonly type: "dead-letter";
      readonly channel: string;
      readonly bytes: Uint8Array;
      readonly headers: ReadonlyMap<string, string>;
      readonly timing: TransformTiming | null;
    }
  | {
      readonly type: "reject";
      readonly error: TransformRefusal;
      readonly timing: TransformTiming | null;
    };

export interface TransformSink {
  settled(ticket: unknown, outcome: TransformOutcome): void;
}

export interface TransformRoute {
  submit(
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    key: string | null,
    ticket: unknown,
  ): TransformRefusal | null;
}

export interface TransformHost {
  history(channel: string, limit: number): Promise<readonly Uint8Array[]>;
}

export type TransformState = "starting" | "running" | "degraded" | "tripped" | "failed";

export interface TransformStatus {
  readonly id: string;
  readonly use: string;
  readonly name: string;
  readonly version: string;
  readonly previousVersion: string | null;
  readonly channels: readonly string[];
  readonly onError: string;
  readonly isolation: Isolation;
  readonly state: TransformState;
  readonly workers: number;
  readonly lanes: number;
  readonly queued: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly restarts: Readonly<Record<string, number>>;
  /** What the transform itself counts and observes, by name. */
  readonly custom: Readonly<Record<string, { readonly sum: number; readonly count: number }>>;
  readonly queueMs: { readonly p50: number; readonly p99: number };
  readonly runMs: { readonly p50: number; readonly p99: number };
  readonly heapBytes: number;
  readonly recentFaults: readonly RecentFault[];
  readonly rollout: unknown;
}

export interface RecentFault {
  readonly atMs: number;
  readonly type: string;
  readonly message: string;
  readonly channel: string | null;
}

export type RolloutMode =
  | { readonly type: "replace" }
  | { readonly type: "shadow"; readonly percent: number }
  | { readonly type: "canary"; readonly channels: readonly string[] };

export type TransformChange =
  | {
      readonly action: "deploy";
      readonly id: string;
      readonly use: string | null;
      readonly config: unknown;
      readonly mode: RolloutMode;
    }
  | { readonly action: "promote"; readonly id: string }
  | { readonly action: "rollback"; readonly id: string };

/** A load or a change that was refused. What served before goes on serving. */
export class TransformError extends Error {
  override readonly name = "TransformError";
  /** `unknown`: no such binding. `invalid`: asks for what cannot be. `load`: the transform itself, see `fault`. */
  readonly reason: "unknown" | "invalid" | "load";
  /** Of a transform that could not be loaded: what, in which file and line. */
  readonly fault: TransformFault | null;

  constructor(
    reason: "unknown" | "invalid" | "load",
    message: string,
    fault: TransformFault | null = null,
  ) {
    super(message);
    this.reason = reason;
    this.fault = fault;
  }
}
