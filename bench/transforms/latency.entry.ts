import { connect } from "../../client/index.ts";
import type { TickwireClient } from "../../client/index.ts";
import { Histogram } from "../support/histogram.ts";
import type { LatencyJob, LatencyResult } from "./job.ts";

/**
 * The generator of a saturation cell: publishes by the clock on channels without transforms and times each
 * delivery, and keeps a window of publications in the transform meanwhile. A publication goes out whether or not those
 * before it have arrived, so a stall counts for all it delays.
 */
const NS_PER_US = 1000;
/** Channels the transform is bound to. */
const HEAVY_CHANNELS = 4;

async function run(job: LatencyJob): Promise<LatencyResult> {
  const url = `ws://127.0.0.1:${job.port}`;
  const [publisher, subscriber, heavy] = await Promise.all([
    connect(url),
    connect(url),
    connect(url),
  ]);
  const latency = new Histogram();
  let isRecording = false;
  const subscriptions = Array.from({ length: job.channels }, (_, i) =>
    subscriber
      .subscribe(`plain.${i}`, {}, ({ data }) => {
        if (isRecording) latency.record(Bun.nanoseconds() - (data as number));
      })
      .ready(),
  );
  await Promise.all(subscriptions);
  using load = new HeavyLoad(heavy, job);
  using pace = new Pace(publisher, job);
  load.start();
  pace.start();
  await Bun.sleep(job.warmUpMs);
  isRecording = true;
  const began = { ms: performance.now(), tasks: load.done, cpu: process.cpuUsage() };
  await Bun.sleep(job.measureMs);
  return {
    count: latency.count,
    p50Us: latency.quantile(0.5) / NS_PER_US,
    p99Us: latency.quantile(0.99) / NS_PER_US,
    maxUs: latency.max / NS_PER_US,
    elapsedMs: performance.now() - began.ms,
    cpuMs: cpuMsSince(began.cpu),
    tasks: load.done - began.tasks,
  };
}

function cpuMsSince(began: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000;
}

/** Sends what is due by the clock. The time of sending is in the payload, because a timer here may be late as well. */
class Pace implements Disposable {
  readonly #client: TickwireClient;
  readonly #job: LatencyJob;
  #timer: ReturnType<typeof setInterval> | null = null;
  #sent = 0;

  constructor(client: TickwireClient, job: LatencyJob) {
    this.#client = client;
    this.#job = job;
  }

  start(): void {
    const { publicationsPerSecond, channels } = this.#job;
    const beganMs = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - beganMs) * publicationsPerSecond) / 1000;
      while (this.#sent < due) {
        this.#client.send(`plain.${this.#sent++ % channels}`, Bun.nanoseconds());
      }
    }, 1);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }
}

/** Keeps a window of publications in the transform: a place that is left is filled at once. */
class HeavyLoad implements Disposable {
  done = 0;
  readonly #client: TickwireClient;
  readonly #job: LatencyJob;
  #isStopping = false;
  #published = 0;

  constructor(client: TickwireClient, job: LatencyJob) {
    this.#client = client;
    this.#job = job;
  }

  start(): void {
    for (let i = 0; i < this.#job.heavyWindow; i++) void this.#keepPublishing();
  }

  async #keepPublishing(): Promise<void> {
    const payload = JSON.stringify({ ms: this.#job.taskMs });
    while (!this.#isStopping) {
      const channel = `heavy.${this.#published++ % HEAVY_CHANNELS}`;
      await this.#client.publish(channel, payload, { encode: "text" });
      this.done++;
    }
  }

  [Symbol.dispose](): void {
    this.#isStopping = true;
  }
}

try {
  const result = await run((await Bun.stdin.json()) as LatencyJob);
  await Bun.write(Bun.stdout, JSON.stringify(result));
} catch (error) {
  await Bun.write(Bun.stdout, JSON.stringify({ error: String(error) }));
}
process.exit(0);
