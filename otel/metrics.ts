import { Code } from "../protocol/codes.ts";
import { scalar, split } from "./instrument.ts";
import type { Instrument } from "./instrument.ts";

const codes = Object.values(Code);
const ERROR_NAMES = codes.filter(({ use }) => use !== "close").map(({ name }) => name);
const CLOSE_NAMES = [
  "normal",
  "going_away",
  "no_code",
  "abnormal",
  "message_too_big",
  ...codes.filter(({ use }) => use !== "error").map(({ name }) => name),
];
const DROP_REASONS = ["slow", "node-budget", "closed"];

/**
 * Every instrument. Names follow Prometheus: base units, `_total` for counters. Labels come from closed
 * sets: never a channel, a user or a connection.
 */
export const INSTRUMENTS: readonly Instrument[] = [
  scalar(
    "counter",
    "tickwire_connections_opened_total",
    "{connection}",
    "WebSocket connections accepted.",
    (s) => s.stats.connectionsOpened,
  ),
  scalar(
    "gauge",
    "tickwire_connections",
    "{connection}",
    "WebSocket connections open now.",
    (s) => s.stats.connectionsOpen,
  ),
  split(
    "tickwire_closes_total",
    "{connection}",
    "Connections closed, by the name of the close code.",
    "code",
    CLOSE_NAMES,
    (s) => s.stats.closesByCode,
  ),
  scalar(
    "gauge",
    "tickwire_subscriptions",
    "{subscription}",
    "Subscriptions open now.",
    (s) => s.stats.subscriptionsOpen,
  ),
  scalar(
    "gauge",
    "tickwire_channels",
    "{channel}",
    "Channels this node holds now.",
    (s) => s.stats.channelsOpen,
  ),
  scalar(
    "counter",
    "tickwire_received_messages_total",
    "{message}",
    "WebSocket messages received.",
    (s) => s.stats.messagesReceived,
  ),
  scalar(
    "counter",
    "tickwire_received_bytes_total",
    "By",
    "Bytes of WebSocket messages received.",
    (s) => s.stats.bytesReceived,
  ),
  split(
    "tickwire_errors_total",
    "{error}",
    "Error replies, by the name of the code.",
    "code",
    ERROR_NAMES,
    (s) => s.stats.errorsByCode,
  ),
  scalar(
    "counter",
    "tickwire_publications_total",
    "{publication}",
    "Publications that got an offset.",
    (s) => s.stats.publications,
  ),
  scalar(
    "counter",
    "tickwire_publication_bytes_total",
    "By",
    "Payload bytes of publications that got an offset.",
    (s) => s.stats.publicationBytes,
  ),
  scalar(
    "counter",
    "tickwire_duplicates_total",
    "{publication}",
    "Publications not stored again because their id was known.",
    (s) => s.stats.duplicates,
  ),
  scalar(
    "counter",
    "tickwire_deliveries_total",
    "{delivery}",
    "Publications handed to the sockets of subscribers.",
    (s) => s.stats.deliveries,
  ),
  scalar(
    "counter",
    "tickwire_delivery_bytes_total",
    "By",
    "Bytes of publications handed to sockets.",
    (s) => s.stats.deliveryBytes,
  ),
  {
    kind: "histogram",
    name: "tickwire_delivery_duration_seconds",
    unit: "s",
    description:
      "Time from receiving a publication to handing it to the sockets of its subscribers.",
    read: (s) => s.stats.deliveryDuration,
  },
  split(
    "tickwire_drops_total",
    "{delivery}",
    "Deliveries not made, by reason; the subscriber is told.",
    "reason",
    DROP_REASONS,
    (s) => s.stats.dropsByReason,
  ),
  scalar(
    "gauge",
    "tickwire_outbound_queued_bytes",
    "By",
    "Bytes waiting for slow sessions now.",
    (s) => s.stats.outboundQueuedBytes,
  ),
  {
    kind: "counter",
    name: "tickwire_recoveries_total",
    unit: "{recovery}",
    description: "Recoveries asked for, by outcome.",
    labels: { outcome: ["complete", "incomplete"] },
    read: ({ stats }) => [
      { labels: ["complete"], value: stats.recoveriesComplete },
      { labels: ["incomplete"], value: stats.recoveriesIncomplete },
    ],
  },
  scalar(
    "counter",
    "tickwire_receipts_total",
    "{receipt}",
    "Delivery receipts clients sent.",
    (s) => s.stats.receipts,
  ),
  {
    kind: "histogram",
    name: "tickwire_event_loop_lag_seconds",
    unit: "s",
    description: "How late timers ran: what a busy event loop adds to every delivery.",
    read: (s) => s.stats.eventLoopLag,
  },
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
