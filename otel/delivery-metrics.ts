import { histogram, scalar, split } from "./instrument.ts";
import type { Instrument } from "./instrument.ts";

const DROP_REASONS = ["slow", "node-budget", "closed"];

/** Publications, and their way to the subscribers. */
export const DELIVERY_INSTRUMENTS: readonly Instrument[] = [
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
  histogram(
    "tickwire_delivery_duration_seconds",
    "Time from receiving a publication to handing it to the sockets of its subscribers.",
    (s) => s.stats.deliveryDuration,
  ),
  scalar(
    "counter",
    "tickwire_deliveries_queued_total",
    "{message}",
    "Messages that had to wait because the subscriber's socket was full.",
    (s) => s.stats.deliveriesQueued,
  ),
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
];
