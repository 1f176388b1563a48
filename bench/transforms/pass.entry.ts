import { fileURLToPath } from "node:url";

import { Piscina } from "piscina";

import { createTransformRunner } from "../../workers/host/create-transform-runner.ts";
import type { PassJob, PassResult } from "./job.ts";
import { threadCpu, threadCpuBetween } from "./thread-cpu.ts";

/** Something that takes messages and tells, some at a time, how many are done. */
interface Way extends AsyncDisposable {
  submit(payload: Uint8Array, message: number): void;
  /** Crossings so far. */
  readonly crossings: number;
}

type OnDone = (count: number) => void;

/** As a broker has it: submits to the routes of channels, hears of outcomes in the order of each. */
async function openRunner(job: PassJob, onDone: OnDone): Promise<Way> {
  const runner = createTransformRunner({
    bindings: [
      {
        id: "pass",
        use: fileURLToPath(new URL("pass.ts", import.meta.url)),
        channels: ["bench.>"],
        onError: "nack",
      },
    ],
    directory: process.cwd(),
    clock: { nowMs: () => performance.now(), wallMs: () => Date.now() },
    logger: { log: () => undefined },
    maxPayloadBytes: 64 * 1024,
  });
  let crossings = 0;
  let lastBatch: unknown = null;
  await runner.start(
    {
      settled: (_ticket, outcome) => {
        if (outcome.type !== "publish") throw new Error(`a message came back as ${outcome.type}`);
        // Messages of a crossing have one time at which it began.
        const { startedMs } = outcome.timing;
        if (startedMs !== lastBatch) crossings++;
        lastBatch = startedMs;
        onDone(1);
      },
    },
    { history: () => Promise.resolve([]) },
  );
  const routes = Array.from({ length: job.channels }, (_, i) => {
    const route = runner.route(`bench.${i}`);
    if (route === null) throw new Error("the channel has no route");
    return route;
  });
  return {
    get crossings() {
      return crossings;
    },
    submit(payload, message) {
      const route = routes[message % routes.length] as (typeof routes)[number];
      const refusal = route.submit(payload, 0, payload.length, null, null, message);
      if (refusal !== null) throw new Error(`a message was refused: ${refusal.message}`);
    },
    [Symbol.asyncDispose]: () => runner.stop(5000),
  };
}

/** As one would begin: a task of a pool for each message, which gets it back. */
function openNaive(_job: PassJob, onDone: OnDone): Way {
  const pool = new Piscina({
    filename: new URL("naive.entry.ts", import.meta.url).href,
    name: "handle",
    minThreads: 1,
    maxThreads: 1,
  });
  let crossings = 0;
  return {
    get crossings() {
      return crossings;
    },
    submit(payload, message) {
      void pool.run({ channel: `bench.${message % 64}`, payload }).then(() => {
        crossings++;
        onDone(1);
      });
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

async function run(job: PassJob): Promise<PassResult> {
  const payload = new Uint8Array(job.payloadBytes).fill(0x61);
  let submitted = 0;
  let done = 0;
  let isFilling = false;
  let isStopping = false;
  const drained = Promise.withResolvers<void>();
  const fill = (): void => {
    isFilling = false;
    if (isStopping) return;
    while (submitted - done < job.windowSize) way.submit(payload, submitted++);
  };
  await using way = await (job.way === "runner" ? openRunner : openNaive)(job, (count) => {
    done += count;
    if (isStopping && done === submitted) drained.resolve();
    if (isFilling) return;
    // Behind all that is told in this turn, as publications of a socket come together.
    isFilling = true;
    setImmediate(fill);
  });
  fill();
  await Bun.sleep(job.warmUpMs);
  const from = snapshot();
  await Bun.sleep(job.measureMs);
  const to = snapshot();
  isStopping = true;
  // Before the workers end: what is under way would be lost with them.
  await drained.promise;
  return resultOf(from, to);

  function snapshot() {
    return { nowMs: performance.now(), done, crossings: way.crossings, threads: threadCpu() };
  }
}

type Snapshot = {
  readonly nowMs: number;
  readonly done: number;
  readonly crossings: number;
  readonly threads: ReadonlyMap<number, number> | null;
};

function resultOf(from: Snapshot, to: Snapshot): PassResult {
  const threads =
    from.threads === null || to.threads === null
      ? null
      : threadCpuBetween(from.threads, to.threads);
  const others = [...(threads ?? [])].filter(([id]) => id !== process.pid).map(([, ms]) => ms);
  const messages = to.done - from.done;
  return {
    messages,
    elapsedMs: to.nowMs - from.nowMs,
    brokerThreadMs: threads?.get(process.pid) ?? null,
    workerThreadMs: threads === null ? null : Math.max(...others),
    processMs: threads === null ? null : [...threads.values()].reduce((sum, ms) => sum + ms, 0),
    meanBatch: messages / Math.max(1, to.crossings - from.crossings),
  };
}

const result = await run((await Bun.stdin.json()) as PassJob);
await Bun.write(Bun.stdout, JSON.stringify(result));
process.exit(0);
