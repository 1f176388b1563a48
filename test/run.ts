// Runs the test suite: what `npm test` starts. Arguments are passed on to `bun test`, so
// `npm test -- test/protocol` runs one folder and `npm test -- -t drain` the tests of that name.
//
// The output of `bun test` is passed through as it comes. The last line on standard output is
//
//   N passed, N failed, N skipped
//
// and the exit code is 0 only if nothing failed and at least one test ran.

import { constants } from "node:os";

import { ensureRedis } from "../tools/redis.mjs";

/** The runner prints its closing block last; this much of the end of its output holds it. */
const MAX_TAIL_CHARS = 16_384;
/** A process that a test left behind may hold the output open; it is not waited for longer. */
const OUTPUT_LIMIT_MS = 2_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const DEFAULT_FLAGS = ["--parallel=2", "--timeout=30000"];

/** Totals of a run. A todo counts as skipped. */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Reads the closing block of `bun test`, such as
 * ```
 *  18 pass
 *  1 skip
 *  0 fail
 *  9 expect() calls
 * Ran 19 tests across 3 files. [316.00ms]
 * ```
 * A file that cannot be loaded shows both as a failure and as an error, an error outside of any test
 * only as an error, so the larger of the two counts.
 *
 * @returns undefined when there is no such block, or when it does not add up
 */
export function readSummary(output: string): Summary | undefined {
  const lines = Bun.stripANSI(output).split("\n");
  const last = lines.findLastIndex((line) => /^Ran \d+ tests? across \d+ files?\./.test(line));
  if (last === -1) return undefined;
  const counts = new Map<string, number>();
  for (const line of lines.slice(0, last).toReversed()) {
    const [, count, what] = /^ ?(\d+) ([a-z]+)/.exec(line) ?? [];
    if (count === undefined || what === undefined) break;
    counts.set(what, Number(count));
  }
  const countOf = (what: string) => counts.get(what) ?? 0;
  const passed = countOf("pass");
  const skipped = countOf("skip") + countOf("todo");
  const total = Number.parseInt(lines[last]?.slice("Ran ".length) ?? "", 10);
  if (passed + skipped + countOf("fail") !== total) return undefined;
  const errorCount = countOf("error") + countOf("errors");
  return { passed, failed: Math.max(countOf("fail"), errorCount), skipped };
}

/** Copies a stream to one of ours as it comes. Returns its end, for the summary. */
async function passOn(from: ReadableStream<Uint8Array>, to: Bun.BunFile): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const bytes of from) {
    await put(to, bytes);
    tail = (tail + decoder.decode(bytes, { stream: true })).slice(-MAX_TAIL_CHARS);
  }
  // What is printed next must start on a line of its own.
  if (tail !== "" && !tail.endsWith("\n")) await put(to, "\n");
  return tail;
}

/** Who reads may have had enough (`| head`): the run goes on, because its exit code counts as well. */
async function put(to: Bun.BunFile, what: Uint8Array | string): Promise<void> {
  try {
    await Bun.write(to, what);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "EPIPE") throw error;
  }
}

async function run(args: readonly string[]): Promise<number> {
  await ensureRedis();
  // --no-orphans: servers that a test started and forgot end with the run.
  const command = [process.execPath, "test", "--no-orphans", ...DEFAULT_FLAGS, ...args];
  let endedBy: NodeJS.Signals | undefined;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      // The runner ends its workers, and says which files it had to leave.
      runner.kill(signal);
      endedBy = signal;
    });
  }

  const runner = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const outputs = Promise.all([
    passOn(runner.stdout, Bun.stdout),
    passOn(runner.stderr, Bun.stderr),
  ]);
  const exitCode = await runner.exited;
  const [, report = ""] = (await Promise.race([outputs, Bun.sleep(OUTPUT_LIMIT_MS)])) ?? [];
  if (endedBy !== undefined) {
    await put(Bun.stderr, "The run was interrupted; there is no total.\n");
    return 128 + constants.signals[endedBy];
  }
  return conclude(readSummary(report), exitCode);
}

/** Prints the last line, and returns the exit code. */
async function conclude(found: Summary | undefined, exitCode: number): Promise<number> {
  const { passed, failed, skipped } = found ?? { passed: 0, failed: 0, skipped: 0 };
  if (found === undefined) {
    await put(Bun.stderr, "bun test gave no summary: no test matched, or one ended the process.\n");
  }
  // A run that fails for another reason than a test (a load error, a coverage limit) says so too.
  const hasFailed = found === undefined || exitCode !== 0;
  const shownFailed = hasFailed ? Math.max(failed, 1) : failed;
  const hasRun = passed + failed > 0;
  if (!hasRun && !hasFailed) await put(Bun.stderr, "No test ran.\n");
  await put(Bun.stdout, `${passed} passed, ${shownFailed} failed, ${skipped} skipped\n`);
  return hasRun && shownFailed === 0 ? 0 : Math.max(exitCode, 1);
}

if (import.meta.main) process.exit(await run(Bun.argv.slice(2)));
