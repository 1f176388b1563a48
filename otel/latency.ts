import type { LatencyStage } from "./attributes.ts";
import type { DeliveryTrace, TracedDelivery } from "./delivery-trace.ts";

/** Where the time of one delivery went: the parts add up to what lies between start and end. */
export interface Latency {
  /** When it was published, as far as this node knows. */
  readonly startMs: number;
  readonly endMs: number;
  /** ms; only of stages that took place. */
  readonly stages: ReadonlyMap<LatencyStage, number>;
  /** Some stamp lay before an earlier one and was moved up to it. */
  readonly hasNegative: boolean;
}

/**
 * On a node that did not take the publication in, what it brought along stands for everything before the bus.
 *
 * ```
 * client sent | received | tx entered | tx started | tx ended | bus queued | bus sent | bus received | left | client
 *  client_send    ingest     tx_queue     tx_run     (ingest)   bus_queue      bus        fanout   socket client_recv
 * ```
 * `fanout` ends with the loop over the subscribers or, for one whose socket took it later, there begins
 * `socket`. A stamp that is missing gives its time to the stage before it.
 */
export function latencyOf(trace: DeliveryTrace, delivery: TracedDelivery): Latency {
  const walk = new Walk();
  const { ingest, transform, busSend, busReceive, fanOut } = trace;
  const readyMs = walkOrigin(walk, trace);
  if (ingest !== null) {
    walk.begin("client_send", ingest.clientSentMs);
    walk.begin("ingest", ingest.receivedMs);
  }
  if (transform !== null) {
    walk.begin("tx_queue", transform.enteredMs);
    walk.begin("tx_run", transform.startedMs);
    walk.begin("ingest", transform.endedMs);
  }
  if (busReceive?.isHealed === true) {
    // History says when Redis had it, to the ms, and not who had sent it when.
    walk.begin("bus", Math.max(readyMs, busReceive.sentMs));
  } else {
    const queuedMs = busSend?.queuedMs ?? busReceive?.openedMs ?? 0;
    // The batch may have been open before it joined.
    walk.begin("bus_queue", queuedMs === 0 ? 0 : Math.max(readyMs, queuedMs));
    walk.begin("bus", busSend?.sentMs ?? busReceive?.sentMs ?? 0);
  }
  walk.begin("fanout", busReceive?.receivedMs ?? 0);
  // Without a hop, what the node did before the loop is ingest.
  if (busReceive === null) walk.begin("fanout", fanOut?.startedMs ?? 0);
  const { handedOverMs, receivedMs } = delivery;
  const leftLoopMs = fanOut?.endedMs ?? 0;
  const anomalyMs = fanOut?.anomalies.find(
    ({ connection }) => connection === delivery.connection,
  )?.atMs;
  if (handedOverMs === 0) {
    // Never handed over: it ends where it was given up.
    return walk.end(anomalyMs ?? leftLoopMs);
  }
  if (leftLoopMs > 0 && handedOverMs > leftLoopMs) walk.begin("socket", leftLoopMs);
  if (receivedMs === 0) return walk.end(handedOverMs);
  walk.begin("client_recv", handedOverMs);
  return walk.end(receivedMs);
}

/** Walks what another node told of its beginning; returns when it was ready for the bus, or 0. */
function walkOrigin(walk: Walk, { ingest, origin }: DeliveryTrace): number {
  const receivedMs = origin?.receivedMs ?? 0;
  if (ingest !== null || origin === null || receivedMs === 0) return 0;
  const { clientSentMs, txQueueMs, txRunMs } = origin;
  walk.begin("client_send", clientSentMs);
  walk.begin("ingest", receivedMs);
  const ranMs = receivedMs + txQueueMs;
  const readyMs = ranMs + txRunMs;
  if (readyMs === receivedMs) return readyMs;
  walk.begin("tx_queue", receivedMs);
  walk.begin("tx_run", ranMs);
  walk.begin("ingest", readyMs);
  return readyMs;
}

class Walk {
  readonly #stages = new Map<LatencyStage, number>();
  #stage: LatencyStage | null = null;
  #startMs = 0;
  #atMs = 0;
  #hasNegative = false;

  /**
   * From here on time is of this stage. 0: the stamp is missing, and the stage before goes on; as with one that a
   * node of another version does not tell.
   */
  begin(stage: LatencyStage, atMs: number): void {
    if (!(atMs > 0)) return;
    this.#advance(atMs);
    this.#stage = stage;
    if (!this.#stages.has(stage)) this.#stages.set(stage, 0);
  }

  end(atMs: number): Latency {
    if (atMs > 0) this.#advance(atMs);
    return {
      startMs: this.#startMs,
      endMs: this.#atMs,
      stages: this.#stages,
      hasNegative: this.#hasNegative,
    };
  }

  #advance(toMs: number): void {
    if (this.#stage === null) {
      this.#startMs = toMs;
      this.#atMs = toMs;
      return;
    }
    if (toMs < this.#atMs) {
      this.#hasNegative = true;
      return;
    }
    this.#stages.set(this.#stage, (this.#stages.get(this.#stage) ?? 0) + toMs - this.#atMs);
    this.#atMs = toMs;
  }
}
