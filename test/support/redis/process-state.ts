import { existsSync, readdirSync, readFileSync } from "node:fs";

/** "gone" includes a process that has ended and was not collected by its parent yet. */
export type ProcessState = "running" | "stopped" | "gone";

/** Linux tells in /proc; elsewhere `ps` knows. */
export function processState(pid: number): ProcessState {
  const letter = existsSync("/proc/self/stat") ? fromProc(pid) : fromPs(pid);
  if (letter === undefined || letter === "Z" || letter === "X") return "gone";
  return letter === "T" ? "stopped" : "running";
}

/** The state follows the program's name, which may hold spaces and brackets. */
function fromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2];
  } catch {
    return undefined; // No such process, or it ended while we read.
  }
}

function fromPs(pid: number): string | undefined {
  const { stdout } = Bun.spawnSync(["ps", "-o", "state=", "-p", String(pid)]);
  return stdout.toString().trim()[0];
}

/** Process ids of everything whose command line holds a text, such as the name of a folder. */
export function processesOf(text: string): number[] {
  const pids = existsSync("/proc/self/stat") ? pidsFromProc(text) : pidsFromPs(text);
  return pids.filter((pid) => pid !== process.pid && processState(pid) !== "gone");
}

function pidsFromProc(text: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => commandLineOf(pid).includes(text)).map(Number);
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // It ended since the folder was read.
  }
}

function pidsFromPs(text: string): number[] {
  const { stdout } = Bun.spawnSync(["ps", "-axo", "pid=,command="]);
  const lines = stdout.toString().split("\n");
  return lines.filter((line) => line.includes(text)).map((line) => Number.parseInt(line, 10));
}
