import type { HostTimes, RolloutBudget } from "./host-options.ts";
import type { HostClock, HostLogger, TransformHost, TransformSink } from "./host-types.ts";
import type { Watchdog } from "./watchdog.ts";

/** What all pipelines of a runner share. */
export interface HostContext {
  readonly directory: string;
  readonly clock: HostClock;
  readonly logger: HostLogger;
  readonly maxPayloadBytes: number;
  readonly times: HostTimes;
  readonly budget: RolloutBudget;
  readonly watchdog: Watchdog;
  readonly sink: TransformSink;
  readonly host: TransformHost;
}

const TIME_ORIGIN_MS = performance.timeOrigin;

/** Wall clock, ms since 1970 with fractions, as workers stamp it. */
export function preciseWallMs(): number {
  return TIME_ORIGIN_MS + performance.now();
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
