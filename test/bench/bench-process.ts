import { fileURLToPath } from "node:url";

export const BENCH_ENTRY = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

/** Runs the benchmark to its end. */
export async function bench(...argv: string[]) {
  const child = Bun.spawn([process.execPath, BENCH_ENTRY, ...argv], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code };
}

/** The children of a process, once it has as many at the same time. */
export async function childrenOf(pid: number, count: number): Promise<number[]> {
  for (;;) {
    const listed = await Bun.$`ps -o pid= --ppid ${pid}`.nothrow().quiet().text();
    const pids = listed
      .split("\n")
      .map(Number)
      .filter((child) => child > 0);
    if (pids.length >= count) return pids;
  }
}

/** Resolves when the process has ended; one that only awaits being reaped has. */
export async function gone(pid: number): Promise<void> {
  for (;;) {
    const state = await Bun.$`ps -o state= -p ${pid}`.nothrow().quiet().text();
    if (state.trim() === "" || state.startsWith("Z")) return;
  }
}
