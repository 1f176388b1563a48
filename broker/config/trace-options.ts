import { NAMESPACE_OPTIONS } from "./namespaces.ts";
import { duration, integer } from "./option.ts";

/** The options of tracing. Where traces go is said by the standard OTEL_* variables. */
export const TRACE_OPTIONS = {
  traceRate: NAMESPACE_OPTIONS.traceRate,
  slowMs: NAMESPACE_OPTIONS.slowMs,
  tracesPerSecond: integer({
    group: "Tracing",
    fallback: 10,
    min: 1,
    max: 1000,
    unit: "traces",
    text: "Publications that a node traces by traceRate, on average; ten times as many at once. A trace costs about 0.5 ms of CPU with its export.",
  }),
  flightRecorder: integer({
    group: "Tracing",
    fallback: 16_384,
    min: 0,
    max: 1_048_576,
    unit: "batches",
    text: "Batches whose times are kept in memory (76 bytes each), so that a late or lost delivery is traced afterwards; 0 turns that off.",
  }),
  receiptIntervalMs: duration({
    group: "Tracing",
    unit: "ms",
    fallback: 10_000,
    min: 0,
    max: 3_600_000,
    text: "How often a client reports when a publication reached it; longer by itself with very many connections, 0 for never.",
  }),
} as const;
