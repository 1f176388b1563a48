import type { Stream } from "../engine/stream.ts";
import type { ClusterTime } from "./cluster-time.ts";
import type { TraceRuleChange } from "./debug-rules.ts";
import type { TraceReason } from "./delivery-trace.ts";
import type { PublishTrace } from "./publish-trace.ts";

/** What tracing and an engine that spans nodes know of each other. */

/** A batch of publications that Redis has answered, or that was given up. Times of the clock, ms. */
export interface SentBatch {
  readonly partition: number;
  readonly shard: number;
  /** The run of this node that messages name. */
  readonly producer: string;
  readonly publications: number;
  readonly openedMs: number;
  /** 0 when it was never handed over. */
  readonly sentMs: number;
  /** As the message says it, of the cluster's clock. */
  readonly stampMs: number;
  readonly repliedMs: number;
  /** Empty when there is nothing to tell of them: all stored, none traced, none late. */
  readonly groups: readonly SentGroup[];
}

export interface SentGroup {
  readonly stream: Stream;
  readonly count: number;
  /** Of its first publication; 0 without one. */
  readonly firstOffset: number;
  readonly epoch: string;
  /** Name of the code its publishers were told. */
  readonly error: string | null;
  readonly traces: readonly SentTrace[];
}

export interface SentTrace {
  /** Place in the group. */
  readonly index: number;
  readonly trace: PublishTrace;
}

/** What a node asks of the one that sent a batch: to tell its part of a trace. */
export interface TraceRequest {
  readonly traceId: string;
  readonly reason: TraceReason;
  readonly channel: string;
  readonly namespace: string;
  readonly epoch: string;
  readonly offset: number;
  readonly payloadBytes: number;
  readonly partition: number;
  /** What the batch's message said. */
  readonly openedMs: number;
  readonly sentMs: number;
}

/** What an engine that spans nodes offers to tracing. */
export interface TracePeers {
  placeOf(channel: string): { readonly partition: number; readonly shard: number };
  /** The run of this node. */
  readonly producer: string;
  /** Sends a request to another node's run; lost where it cannot be reached. */
  ask(producer: string, request: TraceRequest): void;
  /** Tells all nodes; lost for one that cannot be reached. */
  tellRule(change: TraceRuleChange): void;
}

/** What tracing hears of the engine. */
export interface EngineTracer {
  readonly time: ClusterTime;
  sent(batch: SentBatch): void;
  /** A publication was not even taken into a batch. */
  refused(stream: Stream, payloadBytes: number, error: string, trace: PublishTrace | null): void;
  /** Another node asks. */
  asked(request: TraceRequest): void;
  /** A node tells of a rule; it may be this one. */
  ruleChanged(change: TraceRuleChange): void;
}
