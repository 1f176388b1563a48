import type { DeliveryTrace, TracedDelivery } from "../../otel/delivery-trace.ts";

export const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
/** 2027-01-15, ms since 1970. */
export const T0_MS = 1_800_000_000_000;

type Ingest = NonNullable<DeliveryTrace["ingest"]>;
type Transform = NonNullable<DeliveryTrace["transform"]>;
type BusSend = NonNullable<DeliveryTrace["busSend"]>;
type BusReceive = NonNullable<DeliveryTrace["busReceive"]>;
type FanOut = NonNullable<DeliveryTrace["fanOut"]>;

/** What a node knows of a publication it took in, at T0, and of which nothing else is known. */
export function traceOf(parts: Partial<DeliveryTrace> = {}): DeliveryTrace {
  return {
    traceId: TRACE_ID,
    parent: null,
    link: null,
    reason: "head",
    node: "node-a",
    publication: {
      channel: "market.btc",
      namespace: "market.>",
      epoch: "e1",
      offset: 7,
      id: null,
      payloadBytes: 120,
      publisher: { connection: "conn-p", user: "alice" },
    },
    ingest: ingestOf(),
    origin: null,
    transform: null,
    busSend: null,
    busReceive: null,
    fanOut: null,
    deliveries: [],
    ...parts,
  };
}

export function ingestOf(parts: Partial<Ingest> = {}): Ingest {
  return { receivedMs: T0_MS, acceptedMs: T0_MS + 1, clientSentMs: 0, error: null, ...parts };
}

/** In the queue from 1 to 31 ms after T0, then run for 5. */
export function transformOf(parts: Partial<Transform> = {}): Transform {
  return {
    enteredMs: T0_MS + 1,
    startedMs: T0_MS + 31,
    endedMs: T0_MS + 36,
    stages: [{ name: "enrich", version: "1.2.0" }],
    worker: 2,
    batchSize: 8,
    attempt: 1,
    verdict: "replace",
    fault: null,
    ...parts,
  };
}

/** In the outbox from 40 to 42 ms after T0, answered at 45. */
export function busSendOf(parts: Partial<BusSend> = {}): BusSend {
  return {
    partition: 17,
    shard: 1,
    queuedMs: T0_MS + 40,
    sentMs: T0_MS + 42,
    repliedMs: T0_MS + 45,
    batchSize: 12,
    error: null,
    ...parts,
  };
}

/** There at 44 ms after T0. */
export function busReceiveOf(parts: Partial<BusReceive> = {}): BusReceive {
  return {
    partition: 17,
    shard: 1,
    fromNode: "node-a",
    openedMs: T0_MS + 40,
    sentMs: T0_MS + 42,
    receivedMs: T0_MS + 44,
    isHealed: false,
    clockUncertaintyMs: 0.2,
    ...parts,
  };
}

/** From 46 to 50 ms after T0. */
export function fanOutOf(parts: Partial<FanOut> = {}): FanOut {
  return {
    startedMs: T0_MS + 46,
    endedMs: T0_MS + 50,
    subscribers: 3,
    delivered: 2,
    queued: 1,
    dropped: 0,
    bytes: 360,
    batchSize: 4,
    anomalies: [],
    anomaliesLeftOut: 0,
    ...parts,
  };
}

/** Handed over at 48 ms after T0. */
export function deliveryOf(parts: Partial<TracedDelivery> = {}): TracedDelivery {
  return {
    connection: "conn-s",
    user: "bob",
    client: "web/1.0",
    outcome: "delivered",
    dropReason: null,
    handedOverMs: T0_MS + 48,
    queuedBytes: 0,
    receivedMs: 0,
    clockOffsetMs: 0,
    clockUncertaintyMs: 0,
    isClamped: false,
    ...parts,
  };
}
