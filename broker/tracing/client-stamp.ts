import type { TraceOutlet } from "./trace-outlet.ts";

/** Nothing is longer on its way to a node than this, ms: what says so was stamped by a clock that is wrong. */
export const MAX_CLIENT_SEND_MS = 60_000;

/** A client's idea of our clock may be ahead by this much and still count as well measured, ms. */
const DOUBT_MS = 5;

/**
 * When a client published what came in at `receivedMs`, on the cluster's clock. It cannot have been after that: what
 * is within the doubt counts as the same moment. 0 when the client does not say, and when it says what cannot be:
 * that is counted, and not held against it.
 *
 * @param toldMs ms since 1970 on this node's wall clock, as the client estimates it; null when it does not say
 */
export function clientSentMs(
  toldMs: number | null,
  receivedMs: number,
  { time, stats }: Pick<TraceOutlet, "time" | "stats">,
): number {
  if (toldMs === null) return 0;
  const sentMs = toldMs + time.wallErrorMs;
  const tookMs = receivedMs - sentMs;
  // What is not a number is within no bounds.
  if (tookMs >= -DOUBT_MS && tookMs <= MAX_CLIENT_SEND_MS) return Math.min(sentMs, receivedMs);
  stats.clockNegative++;
  return 0;
}
