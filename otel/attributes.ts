/** Value of `messaging.system`. */
export const MESSAGING_SYSTEM = "tickwire";

/** Every attribute of our spans: the names of OpenTelemetry's semantic conventions where there is one. */
export const Attribute = {
  system: "messaging.system",
  operationName: "messaging.operation.name",
  /** send, receive or process. */
  operationType: "messaging.operation.type",
  channel: "messaging.destination.name",
  /** Pattern of the namespace. */
  template: "messaging.destination.template",
  partition: "messaging.destination.partition.id",
  messageId: "messaging.message.id",
  bodySize: "messaging.message.body.size",
  /** Connection of the publisher on `ingest`, of the subscriber on `deliver`. */
  clientId: "messaging.client.id",
  userId: "user.id",
  errorType: "error.type",
  exceptionType: "exception.type",
  exceptionMessage: "exception.message",
  dbSystem: "db.system.name",

  epoch: "tickwire.epoch",
  offset: "tickwire.offset",
  sampleReason: "tickwire.sample.reason",
  /** What the client calls itself. */
  clientName: "tickwire.client.name",
  batchSize: "tickwire.batch.size",
  outcome: "tickwire.outcome",
  dropReason: "tickwire.drop.reason",
  /** Bytes that waited before it in the session's queue. */
  queuedBytes: "tickwire.outbound.queued_bytes",

  transformStages: "tickwire.transform.stages",
  transformVersions: "tickwire.transform.versions",
  transformWorker: "tickwire.transform.worker",
  transformAttempt: "tickwire.transform.attempt",
  transformVerdict: "tickwire.transform.verdict",
  transformQueueMs: "tickwire.transform.queue_ms",
  transformRunMs: "tickwire.transform.run_ms",

  shard: "tickwire.bus.shard",
  busQueueMs: "tickwire.bus.queue_ms",
  busTransitMs: "tickwire.bus.transit_ms",
  busFromNode: "tickwire.bus.from_node",
  busHealed: "tickwire.bus.healed",

  fanOutSubscribers: "tickwire.fanout.subscribers",
  fanOutDelivered: "tickwire.fanout.delivered",
  fanOutQueued: "tickwire.fanout.queued",
  fanOutDropped: "tickwire.fanout.dropped",
  fanOutBytes: "tickwire.fanout.bytes",
  /** Subscribers whose event was left out. */
  fanOutDroppedEvents: "tickwire.fanout.dropped_events",

  /** What is added to the client's clock, ms. */
  clockOffsetMs: "tickwire.clock.offset_ms",
  /** How far a foreign clock may be off, ms. */
  clockUncertaintyMs: "tickwire.clock.uncertainty_ms",
  /** The receipt lay before the hand-over and was moved up to it. */
  clockClamped: "tickwire.clock.clamped",
  /** Some stage ended before it began, by clocks that do not agree, and was counted as 0. */
  clockNegative: "tickwire.clock.negative",
} as const;

/** Stages of the end-to-end latency, in order. */
export const LATENCY_STAGES = [
  "client_send",
  "ingest",
  "tx_queue",
  "tx_run",
  "bus_queue",
  "bus",
  "fanout",
  "socket",
  "client_recv",
] as const;
export type LatencyStage = (typeof LATENCY_STAGES)[number];

export function latencyAttribute(stage: LatencyStage): string {
  return `tickwire.lat.${stage}_ms`;
}
