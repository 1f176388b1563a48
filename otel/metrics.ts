import { CONNECTION_INSTRUMENTS } from "./connection-metrics.ts";
import { DELIVERY_INSTRUMENTS } from "./delivery-metrics.ts";
import type { Instrument } from "./instrument.ts";
import { PROCESS_INSTRUMENTS } from "./process-metrics.ts";
import { REDIS_INSTRUMENTS } from "./redis-metrics.ts";
import { TRACE_INSTRUMENTS } from "./trace-metrics.ts";
import { TRANSFORM_INSTRUMENTS } from "./transform-metrics.ts";

/**
 * Every instrument. Names follow Prometheus: base units, `_total` for counters. Labels come from closed
 * sets: never a channel, a user or a connection.
 */
export const INSTRUMENTS: readonly Instrument[] = [
  ...CONNECTION_INSTRUMENTS,
  ...DELIVERY_INSTRUMENTS,
  ...TRACE_INSTRUMENTS,
  ...REDIS_INSTRUMENTS,
  ...TRANSFORM_INSTRUMENTS,
  ...PROCESS_INSTRUMENTS,
];
