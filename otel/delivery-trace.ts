/**
 * What spans are made of. The broker's traces fit `DeliveryTrace` by shape; the composition root is where the compiler
 * proves it.
 *
 * What one node knows of one publication's way, as data: made only for a publication that is traced. All times are
 * wall clock, ms since 1970 with fractions, on the cluster's clock (Redis TIME); 0 where a step did not happen.
 */
export interface DeliveryTrace {
  /** 32 hex digits: the creation context's when it is trusted, else the publication's own. */
  readonly traceId: string;
  /** W3C context the publisher gave, trusted: spans hang below it. */
  readonly parent: TraceContext | null;
  /** The same when it is not trusted: spans only link to it. */
  readonly link: TraceContext | null;
  readonly reason: TraceReason;
  readonly node: string;
  readonly publication: {
    readonly channel: string;
    /** Pattern of its namespace: a name of few values. */
    readonly namespace: string;
    readonly epoch: string;
    /** 0 when it never got a place. */
    readonly offset: number;
    readonly id: string | null;
    readonly payloadBytes: number;
    readonly publisher: { readonly connection: string; readonly user: string | null } | null;
  };
  /** On the node that took it in. */
  readonly ingest: {
    readonly receivedMs: number;
    readonly acceptedMs: number;
    /** When the client published it, as it says itself. */
    readonly clientSentMs: number;
    /** Name of the error's code, when it was refused. */
    readonly error: string | null;
  } | null;
  /** What a traced publication brought to a node that did not take it in; null where `ingest` tells more. */
  readonly origin: {
    /** Of its span `ingest`; null where the node that made that is not known. */
    readonly spanId: string | null;
    /** 0 when it does not say. */
    readonly receivedMs: number;
    /** When the client published it, as it says itself; 0 when it does not. */
    readonly clientSentMs: number;
    /** How long transforms had it, ms. */
    readonly txQueueMs: number;
    readonly txRunMs: number;
  } | null;
  readonly transform: {
    readonly enteredMs: number;
    readonly startedMs: number;
    readonly endedMs: number;
    readonly stages: readonly { readonly name: string; readonly version: string }[];
    readonly worker: number;
    readonly batchSize: number;
    readonly attempt: number;
    readonly verdict: string;
    readonly fault: { readonly type: string; readonly message: string } | null;
  } | null;
  /** The batch's call to Redis, on the node that sent it. */
  readonly busSend: {
    readonly partition: number;
    readonly shard: number;
    /** Into the outbox. */
    readonly queuedMs: number;
    readonly sentMs: number;
    readonly repliedMs: number;
    readonly batchSize: number;
    readonly error: string | null;
  } | null;
  /** The batch's arrival, on a node that has subscribers. */
  readonly busReceive: {
    readonly partition: number;
    readonly shard: number;
    readonly fromNode: string;
    /** When the sending node had its oldest publication, and when it sent it, on the cluster's clock. */
    readonly openedMs: number;
    readonly sentMs: number;
    readonly receivedMs: number;
    /** Filled from history, because the message itself was missing. */
    readonly isHealed: boolean;
    readonly clockUncertaintyMs: number;
  } | null;
  readonly fanOut: {
    readonly startedMs: number;
    readonly endedMs: number;
    readonly subscribers: number;
    readonly delivered: number;
    readonly queued: number;
    readonly dropped: number;
    readonly bytes: number;
    /** Publications that left in the same batch. */
    readonly batchSize: number;
    /** Of subscribers that did not simply get it: 32 at most. */
    readonly anomalies: readonly FanOutAnomaly[];
    readonly anomaliesLeftOut: number;
  } | null;
  /** Single subscribers: a few, and whoever was slow or lost it. 16 at most. */
  readonly deliveries: readonly TracedDelivery[];
}

export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  /** W3C trace flags. */
  readonly flags: number;
  readonly state: string | null;
}

export type TraceReason = "debug" | "upstream" | "slow" | "error" | "drop" | "head";

export interface FanOutAnomaly {
  readonly atMs: number;
  readonly connection: string;
  readonly outcome: "queued" | "slow" | "node-budget" | "closed";
  readonly queuedBytes: number;
}

export interface TracedDelivery {
  readonly connection: string;
  readonly user: string | null;
  readonly client: string | null;
  readonly outcome: "delivered" | "late" | "dropped";
  /** Why, when it was dropped. */
  readonly dropReason: string | null;
  /** Handed to the socket; 0 when it never was. */
  readonly handedOverMs: number;
  /** Bytes that waited before it in the session's queue when it was put there. */
  readonly queuedBytes: number;
  /** The client's receipt, on the cluster's clock; 0 without one. */
  readonly receivedMs: number;
  readonly clockOffsetMs: number;
  readonly clockUncertaintyMs: number;
  /** The receipt lay before the hand-over and was moved up to it. */
  readonly isClamped: boolean;
}

/** Takes traces: returns at once, never throws, and bounds what it keeps. */
export interface TraceSink {
  trace(delivery: DeliveryTrace): void;
}
