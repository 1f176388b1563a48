import type { NamespaceOptions } from "../channels/namespace.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clock } from "../ports.ts";
import { BusTracer } from "./bus-tracer.ts";
import { ClusterTime } from "./cluster-time.ts";
import { DebugRules } from "./debug-rules.ts";
import type { TraceSink } from "./delivery-trace.ts";
import { FanOutTracer } from "./fan-out-tracer.ts";
import { FlightRecorder } from "./flight-recorder.ts";
import { HeadSampler, unsampled } from "./head-sampler.ts";
import type { HeadSampling } from "./head-sampler.ts";
import { IngestTracer } from "./ingest-tracer.ts";
import { QueueTracer } from "./queue-tracer.ts";
import { ReceiptTracer } from "./receipt-tracer.ts";
import { SlowList } from "./slow-list.ts";
import { TraceOutlet } from "./trace-outlet.ts";
import type { TraceStats } from "./trace-stats.ts";

/** Receipts of all clients together come no more often than this, by lengthening each one's interval. */
const RECEIPTS_PER_SECOND = 100;

export interface TracerOptions {
  readonly node: string;
  readonly clock: Clock;
  readonly stats: TraceStats;
  /** Takes the traces; null where nobody collects them, and then no publication is chosen for its own sake. */
  readonly sink: TraceSink | null;
  /** Of those made by rate. */
  readonly tracesPerSecond: number;
  /** Batches the flight recorder keeps; 0 turns it off. */
  readonly flightRecords: number;
  /** How often a client reports a delivery, ms; 0: never. */
  readonly receiptIntervalMs: number;
}

/**
 * What a node finds out about single deliveries: the parts of the broker tell it what they do, and it decides
 * what is told on.
 */
export class Tracer {
  readonly time: ClusterTime;
  readonly outlet: TraceOutlet;
  readonly rules: DebugRules;
  readonly slow = new SlowList();
  readonly recorder: FlightRecorder | null;
  readonly ingest: IngestTracer;
  readonly fanOut: FanOutTracer;
  readonly queues: QueueTracer;
  readonly receipts: ReceiptTracer;
  readonly bus: BusTracer;
  readonly #options: TracerOptions;
  readonly #samplers = new Map<NamespaceOptions, HeadSampler>();

  constructor(options: TracerOptions) {
    const { node, clock, stats, sink, tracesPerSecond, flightRecords } = options;
    this.#options = options;
    this.time = new ClusterTime(clock);
    const outlet = new TraceOutlet({
      node,
      clock,
      time: this.time,
      stats,
      sink,
      tracesPerSecond,
    });
    const recorder = flightRecords > 0 ? new FlightRecorder(flightRecords) : null;
    const { slow } = this;
    const rules = new DebugRules(clock);
    const bus = new BusTracer({ outlet, clock, rules, isOn: recorder !== null });
    this.outlet = outlet;
    this.recorder = recorder;
    this.bus = bus;
    this.rules = rules;
    this.ingest = new IngestTracer({ outlet, rules, clock });
    this.fanOut = new FanOutTracer({ outlet, recorder, places: bus });
    const isOn = recorder !== null;
    this.queues = new QueueTracer({ outlet, clock, slow, places: bus, isOn });
    this.receipts = new ReceiptTracer({ outlet, clock, recorder, slow, places: bus });
  }

  /** Hears of the engine's way between nodes, where it has one. */
  connect(engine: Engine): void {
    const places = engine.connectTracing?.(this.bus);
    if (places !== undefined) this.bus.connected(places);
  }

  /** What ingest counts down on the channels of a namespace. */
  samplingOf(options: NamespaceOptions): HeadSampling {
    if (this.#options.sink === null || options.traceRate === 0) return unsampled;
    let sampler = this.#samplers.get(options);
    if (sampler === undefined) {
      sampler = new HeadSampler(options.traceRate);
      this.#samplers.set(options, sampler);
    }
    return sampler;
  }

  /** How often one of so many clients is to report a delivery, ms; 0: never. */
  receiptIntervalMs(connections: number): number {
    const { receiptIntervalMs } = this.#options;
    if (receiptIntervalMs === 0 || this.recorder === null) return 0;
    return Math.max(receiptIntervalMs, Math.ceil((connections * 1000) / RECEIPTS_PER_SECOND));
  }

  /** Does what is due. Called about once a second. */
  sweep(): void {
    const { stats } = this.outlet;
    this.time.adjust();
    this.rules.expire();
    for (const sampler of this.#samplers.values()) sampler.relax();
    this.slow.expire(this.#options.clock.wallMs());
    stats.clockOffsetMs = this.time.wallErrorMs;
    stats.clockUncertaintyMs = this.time.uncertaintyMs;
  }
}
