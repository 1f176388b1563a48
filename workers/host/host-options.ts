import type { HostClock, HostLogger, TransformBinding } from "./host-types.ts";

/** How long things take before something is done about them; tests shorten them. All ms. */
export interface HostTimes {
  /** Between two looks at workers that are busy. None are taken while all are idle. */
  readonly watchIntervalMs: number;
  /** Losses of workers are counted over this. */
  readonly breakerWindowMs: number;
  /** From the trip, and from each probe that failed, to the next probe. */
  readonly probeIntervalMs: number;
  /** First wait before a lost worker is started again after a failed start; doubles up to the longest. */
  readonly respawnDelayMs: number;
  readonly longestRespawnDelayMs: number;
  /** Loading of one worker, over all its stages. */
  readonly loadTimeoutMs: number;
  /** A worker's teardown, before it is ended anyway. */
  readonly teardownTimeoutMs: number;
  /** For this long a version that took over is held to the budget. */
  readonly probationMs: number;
  /** From the last change of a watched file to its reload. */
  readonly reloadDebounceMs: number;
}

export const DEFAULT_TIMES: HostTimes = {
  watchIntervalMs: 20,
  breakerWindowMs: 30_000,
  probeIntervalMs: 10_000,
  respawnDelayMs: 100,
  longestRespawnDelayMs: 5000,
  loadTimeoutMs: 30_000,
  teardownTimeoutMs: 1000,
  probationMs: 60_000,
  reloadDebounceMs: 100,
};

/** What a new version may cost before it is rolled back by itself. */
export interface RolloutBudget {
  /** Nothing is judged before this many messages. */
  readonly minMessages: number;
  /** Of messages that fail, percent. */
  readonly maxFaultPercent: number;
  /** Of messages whose output differs, percent; for a shadow. 100 allows all. */
  readonly maxDifferentPercent: number;
  /** Run time of a message (mean), times that of the version before. */
  readonly maxSlowdown: number;
}

export const DEFAULT_BUDGET: RolloutBudget = {
  minMessages: 200,
  maxFaultPercent: 1,
  maxDifferentPercent: 100,
  maxSlowdown: 5,
};

export interface TransformRunnerOptions {
  readonly bindings: readonly TransformBinding[];
  /** Relative `use` and packages are resolved from here. */
  readonly directory: string;
  readonly clock: HostClock;
  readonly logger: HostLogger;
  /** Of what a transform hands out, bytes. */
  readonly maxPayloadBytes: number;
  readonly times?: Partial<HostTimes>;
  readonly budget?: Partial<RolloutBudget>;
  /** Reloads a binding when a file beside its module changes; for development. */
  readonly isWatching?: boolean;
}

/** Worker losses within the window that trip the breaker. */
export const BREAKER_LOSSES = 5;

/** What one pipeline holds at most, over all lanes. */
export const MAX_PIPELINE_MESSAGES = 262_144;
export const MAX_PIPELINE_BYTES = 64 * 1024 * 1024;

/** A lane whose policy takes more in when full (unchanged, or with the oldest dropped) still ends at this multiple. */
export const SHED_FACTOR = 4;

/** A crossing is cut so that it takes about this long: what waits behind it in other lanes waits no longer. ms */
export const TARGET_CROSSING_MS = 10;
