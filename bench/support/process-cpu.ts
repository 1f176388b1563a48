import { readFileSync } from "node:fs";

/** CPU time a process has used since it started, all its threads together, ms. */
export interface CpuTime {
  readonly userMs: number;
  readonly systemMs: number;
}

/** Linux reports CPU time in ticks of 1/100 s on every architecture Bun runs on (USER_HZ). */
const MS_PER_TICK = 10;

/** Reads another process's CPU time; null where there is no /proc, or the process is gone. */
export function processCpu(pid: number): CpuTime | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  return parseStat(stat);
}

/**
 * Reads fields 14 (utime) and 15 (stime) of a /proc/<pid>/stat line. The second field is the name in
 * brackets and may hold spaces and brackets itself, so counting starts after the last one.
 */
export function parseStat(stat: string): CpuTime | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const user = Number(fields[11]);
  const system = Number(fields[12]);
  if (!Number.isFinite(user) || !Number.isFinite(system)) return null;
  return { userMs: user * MS_PER_TICK, systemMs: system * MS_PER_TICK };
}

/** CPU time the whole machine has used since it started, ms; null where there is no /proc. */
export function machineCpuMs(): number | null {
  let text: string;
  try {
    text = readFileSync("/proc/stat", "latin1");
  } catch {
    return null;
  }
  // cpu  user nice system idle iowait irq softirq steal guest guest_nice; guest time is in user already.
  const ticks = text.slice(0, text.indexOf("\n")).trim().split(/\s+/).slice(1, 9).map(Number);
  const idle = (ticks[3] ?? Number.NaN) + (ticks[4] ?? Number.NaN);
  const busy = ticks.reduce((sum, value) => sum + value, 0) - idle;
  return Number.isFinite(busy) ? busy * MS_PER_TICK : null;
}

/** CPU time used between two readings. */
export function cpuBetween(from: CpuTime | null, to: CpuTime | null): CpuTime | null {
  if (from === null || to === null) return null;
  return { userMs: to.userMs - from.userMs, systemMs: to.systemMs - from.systemMs };
}

export function totalMs(cpu: CpuTime): number {
  return cpu.userMs + cpu.systemMs;
}
