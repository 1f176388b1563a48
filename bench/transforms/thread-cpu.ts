import { readdirSync, readFileSync } from "node:fs";

const MS_PER_TICK = 10;
const NS_PER_MS = 1e6;

/** CPU time of each thread of this process by its id, ms; null where there is no /proc. */
export function threadCpu(): ReadonlyMap<number, number> | null {
  try {
    const threads = new Map<number, number>();
    for (const id of readdirSync("/proc/self/task")) {
      const ms = cpuMs(`/proc/self/task/${id}`);
      if (ms !== null) threads.set(Number(id), ms);
    }
    return threads;
  } catch {
    // No /proc here.
    return null;
  }
}

/** From the scheduler's own count in nanoseconds, else from ticks of 10 ms. */
function cpuMs(folder: string): number | null {
  try {
    return Number(readFileSync(`${folder}/schedstat`, "latin1").split(" ")[0]) / NS_PER_MS;
  } catch {
    // A kernel without it, or a thread that has just ended.
    return ticksMs(folder);
  }
}

function ticksMs(folder: string): number | null {
  try {
    const stat = readFileSync(`${folder}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
  } catch {
    return null;
  }
}

/** What each thread used between two readings, ms. */
export function threadCpuBetween(
  from: ReadonlyMap<number, number>,
  to: ReadonlyMap<number, number>,
): ReadonlyMap<number, number> {
  return new Map([...to].map(([id, ms]) => [id, ms - (from.get(id) ?? 0)]));
}

/** Time a thread of this process was ready to run and had no processor, ns; null where the kernel does not tell. */
export function threadWaitNs(id: number): number | null {
  try {
    const schedstat = readFileSync(`/proc/self/task/${id}/schedstat`, "latin1");
    return Number(schedstat.split(" ")[1]);
  } catch {
    // No /proc, or a kernel without it.
    return null;
  }
}
