// One child process and the signals between it, this launcher and whoever started the launcher.
//
// The child must see each signal exactly once. A second SIGINT or SIGTERM is how an impatient
// operator asks a draining broker to stop at once, so a doubled signal would cut the drain short.
// Two things double signals: a signal sent to a whole process group, and a script runner that
// passes on what the group has had already. Hence:
// - In the foreground of a terminal the child shares our process group, because it must own the
//   terminal. Ctrl-C and a hang-up reach it from the kernel; they are not passed on.
// - Anywhere else the child leads a process group of its own. Only the launcher is signalled, and
//   passes everything on.
// - The same signal twice within REPEAT_MS is one signal that came by two ways.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { isatty } from "node:tty";

/** @type {NodeJS.Signals[]} */
export const END_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const REPEAT_MS = 500;
const PARENT_POLL_MS = 200;
/** An orphaned child has this long to drain. More than the broker's own drain limit. */
const ORPHAN_DRAIN_MS = 35_000;

let isOrphaned = false;

/**
 * Runs a command with this process's stdio and ends with it.
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} its exit code, or 128 + n when it died of signal n
 */
export function supervise(command, args, env) {
  const sharesTerminal = isInForeground();
  const isFromTerminal = (signal) => sharesTerminal && signal !== "SIGTERM";

  const lastAtMs = new Map();
  let isEnding = false;
  let knowsOrphaned = false;
  const onSignal = (signal) => {
    const nowMs = performance.now();
    const isRepeat = nowMs - (lastAtMs.get(signal) ?? -Infinity) < REPEAT_MS;
    lastAtMs.set(signal, nowMs);
    const wasEnding = isEnding;
    isEnding = true;
    if (isOrphaned && !knowsOrphaned) {
      knowsOrphaned = true;
      setTimeout(() => child.kill("SIGKILL"), ORPHAN_DRAIN_MS).unref();
      if (wasEnding) return; // It drains already; one more signal would hurry it.
    }
    if (!isRepeat && !isFromTerminal(signal)) child.kill(signal);
  };
  // Before the start: a command can be up, and a signal on its way, before spawn() has returned.
  for (const signal of END_SIGNALS) process.on(signal, onSignal);
  const child = spawn(command, args, { stdio: "inherit", env, detached: !sharesTerminal });

  return new Promise((resolve) => {
    child.once("error", (error) => {
      process.stderr.write(`tickwire: could not start ${command}: ${error.message}\n`);
      resolve(126);
    });
    child.once("exit", (code, signal) => resolve(code ?? exitCodeOf(signal)));
  });
}

/** @param {NodeJS.Signals} signal */
export function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}

/**
 * Turns the death of a script runner into a SIGTERM to this process, whatever phase it is in.
 * `npm start` needs it: on SIGTERM npm ends its shell, and the shell ends without telling us.
 *
 * Only under a script runner (npm, bun run and their kin set `npm_lifecycle_event`): a launcher
 * started by hand with nohup is meant to outlive the shell it came from.
 */
export function watchParent() {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const ppid = process.ppid;
  const runner = parentOf(ppid);
  const timer = setInterval(() => {
    // A killed runner can leave its shell behind, waiting for us: hence the look at both.
    if (process.ppid === ppid && parentOf(ppid) === runner) return;
    clearInterval(timer);
    isOrphaned = true;
    process.kill(process.pid, "SIGTERM");
  }, PARENT_POLL_MS);
  timer.unref();
}

/** The parent of another process, where the system shows it (Linux); elsewhere undefined. */
function parentOf(pid) {
  return statFields(pid)?.[1];
}

/** True when Ctrl-C in a terminal reaches this process, and so would reach a child in its group. */
function isInForeground() {
  const fields = statFields("self");
  if (fields === undefined) {
    return [0, 1, 2].some((fd) => isatty(fd));
  }
  const [, , processGroup, , terminal, foregroundGroup] = fields;
  return terminal !== "0" && processGroup === foregroundGroup;
}

/**
 * Fields of /proc/<pid>/stat from the third on: state, parent, process group, session, terminal,
 * foreground group of the terminal. The second field is a name that may hold spaces and brackets.
 */
function statFields(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined; // No /proc here, or the process has gone: both mean "not known".
  }
}
