import { Attribute, LATENCY_STAGES, latencyAttribute } from "../../otel/attributes.ts";
import type { LatencyStage } from "../../otel/attributes.ts";
import { formatSize } from "../format.ts";
import { formatMs } from "./format-ms.ts";
import { numberOf, textOf, tookMs } from "./trace-span.ts";
import type { TraceSpan } from "./trace-span.ts";

/** What a trace blames, and by which attribute one finds it again. */
export interface Culprit {
  readonly span: TraceSpan;
  /** A sentence. */
  readonly text: string;
  /** What says so: of that span, or of the delivery. */
  readonly evidence: { readonly span: TraceSpan; readonly attribute: string };
}

/** Where a stage of the latency has a span of its own, and what it is in plain words. */
const STAGES: Readonly<Record<LatencyStage, { operations: readonly string[]; text: string }>> = {
  client_send: { operations: ["publish"], text: "on the way from the publisher to the broker" },
  ingest: { operations: ["ingest"], text: "in taking it in" },
  tx_queue: { operations: ["transform"], text: "waiting for a worker of the transform" },
  tx_run: { operations: ["transform.run"], text: "in the transform" },
  bus_queue: { operations: ["bus.publish"], text: "waiting to be sent to Redis" },
  bus: { operations: ["bus.receive", "bus.publish"], text: "on the way through Redis" },
  fanout: { operations: ["fanout"], text: "in the loop over the subscribers" },
  socket: { operations: [], text: "waiting for the subscriber's socket" },
  client_recv: { operations: [], text: "between the socket and the subscriber's application" },
};

/** Attributes of spans that tell a stage's time themselves. */
const OWN_ATTRIBUTE: Readonly<Partial<Record<LatencyStage, string>>> = {
  tx_queue: Attribute.transformQueueMs,
  tx_run: Attribute.transformRunMs,
  bus_queue: Attribute.busQueueMs,
  bus: Attribute.busTransitMs,
};

/**
 * The span a trace blames: of a lost delivery itself; else of what failed; else of the stage that took most of the
 * longest delivery. Null for a trace that has neither.
 */
export function findCulprit(spans: readonly TraceSpan[]): Culprit | null {
  const deliveries = spans.filter((span) => operationOf(span) === "deliver");
  const lost = deliveries.find(({ error }) => error !== null);
  if (lost !== undefined) return lostBy(lost);
  // Of a chain of failures the last to begin is the one that caused the others.
  const failed = spans.filter(({ error }) => error !== null);
  const [cause] = failed.toSorted((a, b) => b.startMs - a.startMs);
  if (cause !== undefined) {
    const words = cause.errorMessage === null ? "" : ` (${cause.errorMessage})`;
    const text = `${cause.name} failed: ${cause.error}${words}.`;
    return { span: cause, text, evidence: { span: cause, attribute: Attribute.errorType } };
  }
  const [longest] = deliveries.toSorted((a, b) => tookMs(b) - tookMs(a));
  return longest === undefined ? null : slowestStage(longest, spans);
}

function lostBy(span: TraceSpan): Culprit {
  const who = textOf(span, Attribute.clientId) ?? "a subscriber";
  const queuedBytes = numberOf(span, Attribute.queuedBytes);
  const behind = queuedBytes > 0 ? `, with ${formatSize(queuedBytes)} waiting before it` : "";
  const text = `${who} did not get it: ${span.error}${behind}.`;
  return { span, text, evidence: { span, attribute: Attribute.dropReason } };
}

function slowestStage(delivery: TraceSpan, spans: readonly TraceSpan[]): Culprit | null {
  const stages = LATENCY_STAGES.map((stage) => timeOf(stage, delivery, spans));
  // What a delivery does not tell apart is in what it says of taking it in.
  const untoldMs = stages.reduce((sum, { isTold, ms }) => sum + (isTold ? 0 : ms), 0);
  const [worst] = stages
    .map((time) => (time.stage === "ingest" ? { ...time, ms: time.ms - untoldMs } : time))
    .toSorted((a, b) => b.ms - a.ms);
  if (worst === undefined || worst.ms <= 0) return null;
  const wholeMs = tookMs(delivery);
  return {
    span: worst.own ?? delivery,
    text: `${formatMs(worst.ms)} of ${formatMs(wholeMs)} were spent ${STAGES[worst.stage].text}.`,
    evidence: worst.evidence,
  };
}

interface StageTime {
  readonly stage: LatencyStage;
  readonly ms: number;
  /** By the delivery itself. */
  readonly isTold: boolean;
  /** The span that is this stage. */
  readonly own: TraceSpan | undefined;
  readonly evidence: Culprit["evidence"];
}

/**
 * As the delivery tells it. One on another node of a publication whose context only is linked to knows nothing of
 * its transforms: their own spans do.
 */
function timeOf(stage: LatencyStage, delivery: TraceSpan, spans: readonly TraceSpan[]): StageTime {
  const [own] = STAGES[stage].operations.flatMap((operation) =>
    spans.filter((span) => operationOf(span) === operation),
  );
  const attribute = OWN_ATTRIBUTE[stage];
  const teller = spans.find((span) => attribute !== undefined && attribute in span.attributes);
  const told = latencyAttribute(stage);
  const isOfTransform = stage === "tx_queue" || stage === "tx_run";
  const isTold = told in delivery.attributes || teller === undefined || !isOfTransform;
  const evidence =
    attribute === undefined || teller === undefined
      ? { span: delivery, attribute: told }
      : { span: teller, attribute };
  const ms = isTold ? numberOf(delivery, told) : numberOf(teller, attribute ?? told);
  return { stage, ms, isTold, own, evidence };
}

export function operationOf(span: TraceSpan): string | null {
  return textOf(span, Attribute.operationName);
}
