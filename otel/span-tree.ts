import { SpanKind } from "@opentelemetry/api";

import { Attribute, latencyAttribute } from "./attributes.ts";
import type { DeliveryTrace, TracedDelivery } from "./delivery-trace.ts";
import { latencyOf } from "./latency.ts";
import { MAX_DELIVERIES } from "./span-count.ts";
import { anomalyEvent, faultEvent } from "./span-events.ts";
import { elapsed, rounded, SpanMaker } from "./span-maker.ts";
import type { SpanAttributes } from "./span-maker.ts";
import type { SpanContextRecord, SpanRecord } from "./span-record.ts";

/** Bound of one trace, whatever it is made from. */
const MAX_EVENTS = 32;

/**
 * The spans of what one node knows of one publication. Each names the namespace, which has few values, never the
 * channel. Parents that another node makes are named by the id they follow from.
 */
export function spansOf(trace: DeliveryTrace): SpanRecord[] {
  const tree = new SpanTree(trace);
  return [
    ...tree.ingest(),
    ...tree.transform(),
    ...tree.busPublish(),
    ...tree.busReceive(),
    ...tree.fanOut(),
    ...trace.deliveries.slice(0, MAX_DELIVERIES).map((delivery) => tree.deliver(delivery)),
  ];
}

class SpanTree {
  readonly #trace: DeliveryTrace;
  readonly #maker: SpanMaker;
  /** Of the spans one searches by. */
  readonly #place: SpanAttributes;
  /** Span `ingest`, on whichever node it is; null where that is not known. */
  readonly #ingest: SpanContextRecord | null;
  readonly #link: readonly SpanContextRecord[];
  /** Of all deliveries: to the fan-out, and to whatever the trace links to. */
  readonly #deliverLinks: readonly SpanContextRecord[];

  constructor(trace: DeliveryTrace) {
    this.#trace = trace;
    const { publication, busReceive, ingest, node } = trace;
    this.#maker = new SpanMaker(trace);
    const takenInBy = ingest === null ? (busReceive?.fromNode ?? node) : node;
    const toldId = trace.origin?.spanId ?? null;
    if (takenInBy !== "") this.#ingest = this.#maker.context("ingest", takenInBy);
    else this.#ingest = toldId === null ? null : this.#maker.contextOf(toldId);
    this.#link = trace.link === null ? [] : [trace.link];
    const fanOutLink = trace.fanOut === null ? [] : [this.#maker.context("fanout", node)];
    this.#deliverLinks = [...fanOutLink, ...this.#link];
    const { epoch, offset } = publication;
    this.#place = {
      [Attribute.epoch]: epoch === "" ? null : epoch,
      [Attribute.offset]: offset > 0 ? offset : null,
    };
  }

  ingest(): SpanRecord[] {
    const { ingest, publication, parent } = this.#trace;
    if (ingest === null) return [];
    const { publisher, payloadBytes, namespace } = publication;
    return [
      this.#maker.span(`ingest ${namespace}`, this.#maker.context("ingest", this.#trace.node), {
        operation: "ingest",
        kind: SpanKind.SERVER,
        parent,
        startMs: ingest.receivedMs,
        endMs: ingest.acceptedMs,
        links: this.#link,
        error: ingest.error,
        attributes: {
          ...this.#place,
          [Attribute.operationType]: "receive",
          [Attribute.bodySize]: payloadBytes,
          [Attribute.clientId]: publisher?.connection ?? null,
          [Attribute.userId]: publisher?.user ?? null,
        },
      }),
    ];
  }

  transform(): SpanRecord[] {
    const { transform, node } = this.#trace;
    if (transform === null) return [];
    const { enteredMs, startedMs, endedMs, stages, fault, batchSize } = transform;
    const names = stages.map(({ name }) => name);
    const name = names.join("+") || "unnamed";
    const context = this.#maker.context("transform", node);
    const events = fault === null ? [] : [faultEvent(fault, endedMs)];
    const shared = { events, error: fault?.type ?? null };
    const attributes = {
      [Attribute.transformStages]: names,
      [Attribute.transformVersions]: stages.map(({ version }) => version),
      [Attribute.transformWorker]: transform.worker,
      [Attribute.transformAttempt]: transform.attempt,
      [Attribute.transformVerdict]: transform.verdict,
      [Attribute.batchSize]: batchSize,
    };
    const whole = this.#maker.span(`transform ${name}`, context, {
      ...shared,
      operation: "transform",
      parent: this.#ingest,
      startMs: enteredMs,
      endMs: endedMs,
      attributes: {
        ...attributes,
        [Attribute.transformQueueMs]: startedMs > 0 ? elapsed(enteredMs, startedMs) : null,
        [Attribute.transformRunMs]: startedMs > 0 ? elapsed(startedMs, endedMs) : null,
      },
    });
    // What was given up in the queue never ran.
    if (startedMs === 0) return [whole];
    const run = this.#maker.span(
      `transform.run ${name}`,
      this.#maker.context("transform.run", node),
      {
        ...shared,
        operation: "transform.run",
        parent: context,
        startMs: startedMs,
        endMs: endedMs,
        attributes,
      },
    );
    return [whole, run];
  }

  busPublish(): SpanRecord[] {
    const { busSend, node } = this.#trace;
    if (busSend === null) return [];
    const { partition, shard, queuedMs, sentMs, repliedMs, batchSize, error } = busSend;
    return [
      this.#maker.span(`bus.publish ${partition}`, this.#maker.context("bus.publish", node), {
        operation: "bus.publish",
        kind: SpanKind.PRODUCER,
        parent: this.#ingest,
        startMs: queuedMs,
        endMs: repliedMs > 0 ? repliedMs : sentMs,
        error,
        attributes: {
          [Attribute.operationType]: "send",
          [Attribute.partition]: String(partition),
          [Attribute.dbSystem]: "redis",
          [Attribute.shard]: shard,
          [Attribute.batchSize]: batchSize,
          [Attribute.busQueueMs]: sentMs > 0 ? elapsed(queuedMs, sentMs) : null,
        },
      }),
    ];
  }

  busReceive(): SpanRecord[] {
    const { busReceive, node } = this.#trace;
    if (busReceive === null) return [];
    const { partition, shard, fromNode, openedMs, sentMs, receivedMs } = busReceive;
    return [
      this.#maker.span(`bus.receive ${partition}`, this.#maker.context("bus.receive", node), {
        operation: "bus.receive",
        kind: SpanKind.CONSUMER,
        // Who sent what comes from history is not known.
        parent: fromNode === "" ? this.#ingest : this.#maker.context("bus.publish", fromNode),
        startMs: sentMs > 0 ? sentMs : receivedMs,
        endMs: receivedMs,
        attributes: {
          [Attribute.operationType]: "receive",
          [Attribute.partition]: String(partition),
          [Attribute.dbSystem]: "redis",
          [Attribute.shard]: shard,
          [Attribute.busFromNode]: fromNode === "" ? null : fromNode,
          [Attribute.busQueueMs]: openedMs > 0 && sentMs > 0 ? elapsed(openedMs, sentMs) : null,
          [Attribute.busTransitMs]: sentMs > 0 ? elapsed(sentMs, receivedMs) : null,
          [Attribute.busHealed]: busReceive.isHealed,
          [Attribute.clockUncertaintyMs]: busReceive.clockUncertaintyMs,
          [Attribute.clockNegative]: sentMs > receivedMs ? true : null,
        },
      }),
    ];
  }

  fanOut(): SpanRecord[] {
    const { fanOut, busReceive, publication, node } = this.#trace;
    if (fanOut === null) return [];
    const { anomalies, anomaliesLeftOut } = fanOut;
    const leftOut = anomaliesLeftOut + Math.max(0, anomalies.length - MAX_EVENTS);
    return [
      this.#maker.span(`fanout ${publication.namespace}`, this.#maker.context("fanout", node), {
        operation: "fanout",
        parent: busReceive === null ? this.#ingest : this.#maker.context("bus.receive", node),
        startMs: fanOut.startedMs,
        endMs: fanOut.endedMs,
        events: anomalies.slice(0, MAX_EVENTS).map(anomalyEvent),
        droppedEventCount: leftOut,
        attributes: {
          [Attribute.fanOutSubscribers]: fanOut.subscribers,
          [Attribute.fanOutDelivered]: fanOut.delivered,
          [Attribute.fanOutQueued]: fanOut.queued,
          [Attribute.fanOutDropped]: fanOut.dropped,
          [Attribute.fanOutBytes]: fanOut.bytes,
          [Attribute.fanOutDroppedEvents]: leftOut > 0 ? leftOut : null,
          [Attribute.batchSize]: fanOut.batchSize,
        },
      }),
    ];
  }

  /**
   * The span an SRE searches by: its duration is the latency from end to end, and it says where that went. It hangs
   * below `ingest`, on whichever node that is, and not below the fan-out, which begins much later.
   */
  deliver(delivery: TracedDelivery): SpanRecord {
    const { publication, node } = this.#trace;
    const { connection, outcome, dropReason } = delivery;
    const latency = latencyOf(this.#trace, delivery);
    const stage = outcome === "late" ? "deliver.late" : "deliver";
    const hasClientStamp = delivery.receivedMs > 0;
    const attributes: Record<string, SpanAttributes[string]> = {
      ...this.#place,
      [Attribute.operationType]: "send",
      [Attribute.clientId]: connection,
      [Attribute.userId]: delivery.user,
      [Attribute.clientName]: delivery.client,
      [Attribute.outcome]: outcome,
      [Attribute.dropReason]: dropReason,
      [Attribute.queuedBytes]: delivery.queuedBytes,
      [Attribute.clockOffsetMs]: hasClientStamp ? delivery.clockOffsetMs : null,
      [Attribute.clockUncertaintyMs]: hasClientStamp ? delivery.clockUncertaintyMs : null,
      [Attribute.clockClamped]: delivery.isClamped ? true : null,
      [Attribute.clockNegative]: latency.hasNegative ? true : null,
    };
    for (const [part, ms] of latency.stages) attributes[latencyAttribute(part)] = rounded(ms);
    return this.#maker.span(
      `deliver ${publication.namespace}`,
      this.#maker.context(stage, node, connection),
      {
        operation: "deliver",
        parent: this.#ingest ?? this.#maker.context("bus.receive", node),
        startMs: latency.startMs,
        endMs: latency.endMs,
        links: this.#deliverLinks,
        error: outcome === "dropped" ? (dropReason ?? "dropped") : null,
        attributes,
      },
    );
  }
}
