import { Histogram } from "../support/histogram.ts";
import { burn } from "./burn.ts";
import type { LoopDelay } from "./job.ts";
import { threadWaitNs } from "./thread-cpu.ts";

/**
 * Loaded into a broker's process before its main: times how late its event loop is, and, for the contrast, does the
 * work of a transform on that loop, one task after the other with a turn of the loop between. It answers on the
 * socket of BENCH_PROBE with what it found since it was last asked.
 */
const INTERVAL_MS = 2;
const NS_PER_US = 1000;

function start(path: string, taskMs: number): void {
  let delays = new Histogram();
  let ownDelays = new Histogram();
  let tasks = 0;
  let dueNs = 0;
  let waitedNs = threadWaitNs(process.pid);
  const tick = (): void => {
    const lateNs = Bun.nanoseconds() - dueNs;
    delays.record(lateNs);
    const nowWaitedNs = threadWaitNs(process.pid);
    if (waitedNs !== null && nowWaitedNs !== null) {
      ownDelays.record(lateNs - (nowWaitedNs - waitedNs));
    }
    waitedNs = nowWaitedNs;
    dueNs = Bun.nanoseconds() + INTERVAL_MS * 1e6;
    setTimeout(tick, INTERVAL_MS);
  };
  dueNs = Bun.nanoseconds() + INTERVAL_MS * 1e6;
  setTimeout(tick, INTERVAL_MS);
  const work = (): void => {
    burn(taskMs);
    tasks++;
    setTimeout(work, 0);
  };
  if (taskMs > 0) setTimeout(work, 0);
  Bun.serve({
    unix: path,
    fetch: () => {
      const found: LoopDelay = {
        count: delays.count,
        p50Us: delays.quantile(0.5) / NS_PER_US,
        p99Us: delays.quantile(0.99) / NS_PER_US,
        maxUs: delays.max / NS_PER_US,
        ownP99Us: ownDelays.count === 0 ? null : ownDelays.quantile(0.99) / NS_PER_US,
        tasks,
      };
      delays = new Histogram();
      ownDelays = new Histogram();
      tasks = 0;
      return Response.json(found);
    },
  });
}

const path = process.env["BENCH_PROBE"];
// Threads of the broker may load it as well.
if (path !== undefined && Bun.isMainThread) {
  start(path, Number(process.env["BENCH_LOOP_TASK_MS"] ?? "0"));
}
