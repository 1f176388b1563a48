import { spanIdOf } from "../../protocol/span-id.ts";
import type { Batch, Subscriber } from "../channels/channel.ts";
import type { Exemplar } from "../histogram.ts";
import type { DeliveryStamp, TracedPublication } from "./delivery-stamp.ts";
import { surveyOf } from "./delivery-survey.ts";
import type { Survey } from "./delivery-survey.ts";
import type { DeliveryTrace } from "./delivery-trace.ts";
import type { FlightRecorder } from "./flight-recorder.ts";
import { ingestTrace } from "./ingest-tracer.ts";
import { lateTraceId, stampTrace } from "./late-trace.ts";
import type { BusPlaces, LatePart } from "./late-trace.ts";
import { readTrace } from "./publish-trace.ts";
import type { TraceOutlet } from "./trace-outlet.ts";

export interface FanOutTracerOptions {
  readonly outlet: TraceOutlet;
  /** Null when it is off. */
  readonly recorder: FlightRecorder | null;
  readonly places: BusPlaces;
}

/** A batch that has gone out to its subscribers. */
export interface Flushed {
  readonly batch: Batch;
  readonly subscribers: readonly Subscriber[];
  readonly matched: readonly Subscriber[];
}

/** What fan-out tells: of each batch a record, and of few a trace. */
export class FanOutTracer {
  readonly #outlet: TraceOutlet;
  readonly #recorder: FlightRecorder | null;
  readonly #places: BusPlaces;

  constructor({ outlet, recorder, places }: FanOutTracerOptions) {
    this.#outlet = outlet;
    this.#recorder = recorder;
    this.#places = places;
  }

  /** Whether every batch is to be told, or only those that are traced. */
  get isRecording(): boolean {
    return this.#recorder !== null;
  }

  /**
   * One batch has gone out. Called for every one: what it does for those that are not traced is what the
   * flight recorder costs.
   * @param queued subscribers that were behind, or fell behind with it
   */
  flushed(flushed: Flushed, startedMs: number, endedMs: number, queued: number): void {
    const { batch, subscribers, matched } = flushed;
    const { channel, slice, arrival } = batch;
    const reached = subscribers.length + matched.length;
    this.#recorder?.write(
      channel.id,
      slice.firstOffset,
      slice.count,
      slice.bytes.length,
      reached,
      queued,
      batch.startedMs,
      startedMs,
      endedMs,
      arrival,
    );
    if (batch.knownStamp !== null) stampOf(flushed, startedMs, endedMs, queued);
    if (arrival !== null) this.#recordArrival(batch);
    if (batch.traced !== null) {
      this.#emitTraced(flushed, batch.traced, startedMs, endedMs, queued);
      return;
    }
    const { slowMs } = channel.stream.options;
    if (slowMs === 0 || reached === 0 || this.#recorder === null) return;
    const originMs =
      arrival === null ? batch.startedMs : this.#outlet.time.toMonotonic(arrival.openedMs);
    if (endedMs - originMs <= slowMs) return;
    // What another clock says is only believed past what it may be wrong by.
    const doubtMs = arrival === null ? 0 : this.#outlet.time.uncertaintyMs;
    if (endedMs - originMs - doubtMs > slowMs) this.#late(flushed, startedMs, endedMs, queued);
  }

  /** Once for all batches that left together. */
  recordStages(sinceMs: number, startedMs: number, endedMs: number): void {
    const { stages } = this.#outlet.stats;
    stages.ingest.record(Math.max(0, startedMs - sinceMs));
    stages.fanout.record(endedMs - startedMs);
  }

  #recordArrival({ arrival, startedMs }: Batch): void {
    if (arrival === null || arrival.producer === "") return;
    const { stats, time } = this.#outlet;
    stats.record("bus", time.at(startedMs) - arrival.sentMs);
  }

  /** The first of the batch stands for all of it: it waited longest. */
  #late(flushed: Flushed, startedMs: number, endedMs: number, queued: number): void {
    const outlet = this.#outlet;
    if (!outlet.admit("slow")) return;
    const stamp = stampOf(flushed, startedMs, endedMs, queued);
    const traceId = lateTraceId(stamp, stamp.firstOffset);
    const survey = surveyOf(flushed, outlet.time.at(endedMs), "late");
    const part: LatePart = { traceId, reason: "slow", offset: stamp.firstOffset, ...survey };
    const trace = stampTrace(stamp, part, outlet, this.#places);
    stamp.traces = [trace];
    stamp.deliveriesLeft -= trace.deliveries.length;
    outlet.emit(trace);
    this.#exemplify(trace);
    this.#places.ask(stamp, part);
  }

  #emitTraced(
    flushed: Flushed,
    traced: readonly TracedPublication[],
    startedMs: number,
    endedMs: number,
    queued: number,
  ): void {
    const outlet = this.#outlet;
    const { time } = outlet;
    const stamp = stampOf(flushed, startedMs, endedMs, queued);
    const survey = surveyOf(flushed, time.at(endedMs), "delivered");
    const traces: DeliveryTrace[] = [];
    for (const publication of traced) {
      const trace = this.#trace(stamp, publication, survey);
      if (trace === null) continue;
      traces.push(trace);
      outlet.emit(trace);
      this.#exemplify(trace);
    }
    stamp.traces = traces;
    stamp.deliveriesLeft -= survey.deliveries.length;
  }

  #trace(
    stamp: DeliveryStamp,
    { offset, own, meta, payloadBytes }: TracedPublication,
    survey: Survey,
  ): DeliveryTrace | null {
    const outlet = this.#outlet;
    if (own !== null) {
      const place = { epoch: stamp.epoch, offset };
      const { fanOut } = stampTrace(
        stamp,
        { ...partOf(own), offset, ...survey },
        outlet,
        this.#places,
      );
      return { ...ingestTrace(own, outlet, null, place), fanOut, deliveries: survey.deliveries };
    }
    if (meta === null) return null;
    const received = readTrace(meta, stamp.stream.name, stamp.arrival?.node ?? "");
    if (received === null) return null;
    const { traceId, reason, link, id, origin } = received;
    const part: LatePart = { traceId, reason, offset, ...survey };
    const trace = stampTrace(stamp, part, outlet, this.#places);
    return { ...trace, link, origin, publication: { ...trace.publication, id, payloadBytes } };
  }

  #exemplify(trace: DeliveryTrace): void {
    const { fanOut } = trace;
    if (fanOut === null) return;
    const { stages } = this.#outlet.stats;
    stages.fanout.exemplify(exemplarOf(trace, fanOut, fanOut.endedMs - fanOut.startedMs));
  }
}

/** What a batch whose trace was told is an example of; null for almost all. */
export function exemplarOfBatch({ knownStamp }: Batch, valueMs: number): Exemplar | null {
  const trace = knownStamp?.traces[0];
  if (trace === undefined || trace.fanOut === null) return null;
  return exemplarOf(trace, trace.fanOut, valueMs);
}

function exemplarOf(
  { traceId, node }: DeliveryTrace,
  { endedMs }: NonNullable<DeliveryTrace["fanOut"]>,
  valueMs: number,
): Exemplar {
  return { traceId, spanId: spanIdOf(traceId, "fanout", node), valueMs, atMs: endedMs };
}

function partOf(own: NonNullable<TracedPublication["own"]>): Pick<LatePart, "traceId" | "reason"> {
  return { traceId: own.traceId, reason: own.reason };
}

/** The batch's stamp, with how its fan-out went. */
function stampOf(
  { batch, subscribers, matched }: Flushed,
  startedMs: number,
  endedMs: number,
  queued: number,
): DeliveryStamp {
  const stamp = batch.stamp();
  stamp.fanOutStartedMs = startedMs;
  stamp.fanOutEndedMs = endedMs;
  stamp.subscribers = subscribers.length + matched.length;
  stamp.queued = queued;
  return stamp;
}
