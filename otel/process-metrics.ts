import { histogram, scalar } from "./instrument.ts";
import type { Instrument } from "./instrument.ts";

/** The process itself. */
export const PROCESS_INSTRUMENTS: readonly Instrument[] = [
  histogram(
    "tickwire_event_loop_lag_seconds",
    "How late timers ran: what a busy event loop adds to every delivery.",
    (s) => s.stats.eventLoopLag,
  ),
  scalar(
    "counter",
    "process_cpu_seconds_total",
    "s",
    "User and system CPU time of the process.",
    (s) => s.process.cpuMs / 1000,
  ),
  scalar(
    "gauge",
    "process_resident_memory_bytes",
    "By",
    "Resident memory of the process.",
    (s) => s.process.residentBytes,
  ),
  scalar(
    "gauge",
    "process_heap_bytes",
    "By",
    "JavaScript heap in use.",
    (s) => s.process.heapBytes,
  ),
  scalar(
    "gauge",
    "process_start_time_seconds",
    "s",
    "When the process started, seconds since 1970.",
    (s) => s.process.startedMs / 1000,
  ),
  {
    kind: "gauge",
    name: "tickwire_build_info",
    unit: "1",
    description: "Always 1; the labels say what runs.",
    labels: { version: null, bun: null },
    read: (s) => [{ labels: [s.process.version, s.process.bunVersion], value: 1 }],
  },
];
