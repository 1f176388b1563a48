import { histogramBy, scalar, split } from "./instrument.ts";
import type { Instrument } from "./instrument.ts";

const STAGES = ["ingest", "tx_queue", "tx_run", "bus_queue", "bus", "fanout", "socket"];
const TRACE_REASONS = ["debug", "upstream", "slow", "error", "drop", "head"];

/** What tracing measures and keeps, and the spans on their way to the collector. */
export const TRACE_INSTRUMENTS: readonly Instrument[] = [
  histogramBy(
    "tickwire_stage_duration_seconds",
    "Time of single parts of a publication's way, once per batch: see docs/tracing.md.",
    "stage",
    STAGES,
    (s) => new Map(Object.entries(s.stats.tracing.stages)),
  ),
  histogramBy(
    "tickwire_delivery_e2e_seconds",
    "Time from taking a publication in to the subscriber's application, as receipts tell.",
    "clock_quality",
    ["good", "poor"],
    (s) => new Map(Object.entries(s.stats.tracing.e2e)),
  ),
  split(
    "tickwire_traces_total",
    "{trace}",
    "Publications this node decided to trace, by reason.",
    "reason",
    TRACE_REASONS,
    (s) => s.stats.tracing.tracesByReason,
  ),
  split(
    "tickwire_traces_suppressed_total",
    "{trace}",
    "Traces not made because there were too many for their reason.",
    "reason",
    TRACE_REASONS,
    (s) => s.stats.tracing.suppressedByReason,
  ),
  scalar(
    "counter",
    "tickwire_receipts_unmatched_total",
    "{receipt}",
    "Receipts for publications that the flight recorder does not have any more.",
    (s) => s.stats.tracing.receiptsUnmatched,
  ),
  scalar(
    "gauge",
    "tickwire_clock_offset_seconds",
    "s",
    "Clock of the cluster (Redis) less this machine's.",
    (s) => s.stats.tracing.clockOffsetMs / 1000,
  ),
  scalar(
    "gauge",
    "tickwire_clock_uncertainty_seconds",
    "s",
    "By how much this node's idea of the cluster's clock may be wrong.",
    (s) => s.stats.tracing.clockUncertaintyMs / 1000,
  ),
  scalar(
    "counter",
    "tickwire_clock_negative_total",
    "{duration}",
    "Durations between two clocks that came out below zero, and times told by clients that cannot be.",
    (s) => s.stats.tracing.clockNegative,
  ),
  scalar(
    "counter",
    "tickwire_spans_exported_total",
    "{span}",
    "Spans of traced publications that the collector took.",
    (s) => s.spans?.exported ?? 0,
  ),
  scalar(
    "counter",
    "tickwire_spans_failed_total",
    "{span}",
    "Spans the collector refused or could not be reached for.",
    (s) => s.spans?.failed ?? 0,
  ),
  scalar(
    "counter",
    "tickwire_spans_dropped_total",
    "{span}",
    "Spans not handed to the exporter because too many waited for it.",
    (s) => s.spans?.dropped ?? 0,
  ),
  scalar(
    "gauge",
    "tickwire_spans_waiting",
    "{span}",
    "Spans that wait for the collector now.",
    (s) => s.spans?.waiting ?? 0,
  ),
];
