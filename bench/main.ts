import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { tickwireEntry } from "./broker-process.ts";
import type { CellContext } from "./cell.ts";
import { parseOptions, usage } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { runRedisBench } from "./redis/redis-bench.ts";
import { parseRedisOptions, redisUsage } from "./redis/redis-options.ts";
import { failures, progressLine, renderReport } from "./report.ts";
import type { Report } from "./report.ts";
import { cellCount, estimateMs, runRounds } from "./rounds.ts";
import { summarize } from "./summary.ts";
import { UsageError } from "./support/arguments.ts";
import { Children } from "./support/children.ts";
import { environment, findPinning } from "./support/environment.ts";
import { runTracingBench } from "./tracing/tracing-bench.ts";
import { parseTracingOptions, tracingUsage } from "./tracing/tracing-options.ts";
import { parseTransformOptions, transformsUsage } from "./transforms/options.ts";
import { runTransformsBench } from "./transforms/transforms-bench.ts";

const profilesRoot = fileURLToPath(new URL("../.tickwire/profiles/", import.meta.url));

/** The processes of this run, which end with it. */
function guardedChildren(): Children {
  const children = new Children();
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => {
      children.killAll();
      process.exit(code);
    });
  }
  return children;
}

/** What any mode needs of a run. */
function commonContext({ cpuProf }: { readonly cpuProf: boolean }) {
  const name = new Date().toISOString().replaceAll(":", "-").slice(0, 19);
  return {
    children: guardedChildren(),
    profileDir: cpuProf ? profilesRoot + name : null,
    secret: randomBytes(32).toString("base64url"),
  };
}

async function main(options: BenchOptions): Promise<number> {
  const began = environment();
  const pinning = options.pins ? findPinning() : null;
  const context: CellContext = { options, pinning, ...commonContext(options) };

  let done = 0;
  const total = cellCount(options);
  console.error(`${total} cells, about ${Math.ceil(estimateMs(options) / 1000)} s`);
  const cells = await runRounds(context, (result) => {
    const isProbe = result.cell.round === 0;
    console.error(`[${isProbe ? "probe" : `${++done}/${total}`}] ${progressLine(result)}`);
  });

  const report: Report = {
    schema: 1,
    environment: began,
    pinning,
    options,
    profileDir: context.profileDir,
    groups: summarize(cells),
    cells,
  };
  console.log(
    options.json ? JSON.stringify(report, withoutSecrets, 2) : `\n${renderReport(report)}`,
  );
  return failures(cells).length === 0 ? 0 : 1;
}

/** The token of a running broker came by the command line and does not belong into a result. */
function withoutSecrets(key: string, value: unknown): unknown {
  return key === "token" ? undefined : value;
}

function start(): Promise<number> | number {
  try {
    const argv = process.argv.slice(2);
    if (argv.includes("--redis")) return startRedis(argv);
    if (argv.includes("--transforms")) return startTransforms(argv);
    if (argv.includes("--tracing")) return startTracing(argv);
    const options = parseOptions(argv);
    if (options === "help") {
      console.log(usage);
      return 0;
    }
    const needsOurs = options.running === null && options.brokers.includes("tickwire");
    if (needsOurs) requireEntry(options.entry);
    return main(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\nTry --help.`);
    return 2;
  }
}

function startRedis(argv: readonly string[]): Promise<number> | number {
  const options = parseRedisOptions(argv);
  if (options === "help") {
    console.log(redisUsage);
    return 0;
  }
  requireEntry(options.entry);
  return runRedisBench({ options, ...commonContext(options) });
}

function startTransforms(argv: readonly string[]): Promise<number> | number {
  const options = parseTransformOptions(argv);
  if (options === "help") {
    console.log(transformsUsage);
    return 0;
  }
  requireEntry(options.entry);
  return runTransformsBench(options, guardedChildren());
}

function startTracing(argv: readonly string[]): Promise<number> | number {
  const options = parseTracingOptions(argv);
  if (options === "help") {
    console.log(tracingUsage);
    return 0;
  }
  requireEntry(options.entry);
  const { children, secret } = commonContext({ cpuProf: false });
  return runTracingBench({ options, children, secret });
}

function requireEntry(given: string | null): void {
  const entry = given ?? tickwireEntry;
  if (!existsSync(entry)) throw new UsageError(`there is no broker at ${entry}`);
}

process.exitCode = await start();
