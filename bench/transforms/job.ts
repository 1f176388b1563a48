/** What a pass-through cell is told, on its standard input. */
export interface PassJob {
  /** Through the runner, in batches; or a task of a pool for each message. */
  readonly way: "runner" | "naive";
  readonly payloadBytes: number;
  readonly channels: number;
  /** Messages under way at any time. */
  readonly windowSize: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What it answers. CPU figures are null where there is no /proc. */
export interface PassResult {
  readonly messages: number;
  readonly elapsedMs: number;
  /** Of the thread that submits and hears of outcomes: the broker's. */
  readonly brokerThreadMs: number | null;
  /** Of the busiest other thread: the worker's. */
  readonly workerThreadMs: number | null;
  /** Of all threads of the process, those of the runtime included. */
  readonly processMs: number | null;
  /** Messages in a crossing, mean; 1 one by one. */
  readonly meanBatch: number;
}

/** What the generator of a saturation cell is told. */
export interface LatencyJob {
  readonly port: number;
  /** Publications a second whose latency is measured, on channels without transforms. */
  readonly publicationsPerSecond: number;
  readonly channels: number;
  /** Publications for the transform that are under way at any time; 0 for none. */
  readonly heavyWindow: number;
  readonly taskMs: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface LatencyResult {
  readonly count: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  readonly elapsedMs: number;
  /** CPU time of the generator itself. */
  readonly cpuMs: number;
  /** Transforms that ended while measuring. */
  readonly tasks: number;
}

/** Delays of a broker's event loop, us: how late a timer was. */
export interface LoopDelay {
  readonly count: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** The same without what the thread spent waiting for a processor; null where /proc does not tell. */
  readonly ownP99Us: number | null;
  /** Tasks that ran on the loop itself. */
  readonly tasks: number;
}
