import { loadavg } from "node:os";

import type { Children } from "../support/children.ts";
import { environment } from "../support/environment.ts";
import { runRedisCell } from "./redis-cell.ts";
import type { RedisCell, RedisCellContext, RedisCellResult } from "./redis-cell.ts";
import type { RedisBenchOptions } from "./redis-options.ts";
import { redisFailures, redisProgress, renderRedisReport } from "./redis-report.ts";
import type { RedisReport } from "./redis-report.ts";
import { redisProgram } from "./redis-server.ts";
import { summarizeRedis } from "./redis-summary.ts";

/** Starting four processes, connecting and settling take about this long beside the load, ms. */
const OVERHEAD_MS = 1200;

export interface RedisBenchRun {
  readonly options: RedisBenchOptions;
  readonly children: Children;
  readonly profileDir: string | null;
  readonly secret: string;
}

/** Runs the whole benchmark over Redis; returns the exit code. */
export async function runRedisBench(run: RedisBenchRun): Promise<number> {
  const { options } = run;
  const program = options.redisUrls.length === 0 ? redisProgram() : { path: "" };
  if ("missing" in program) {
    console.error(program.missing);
    return 1;
  }
  const began = environment();
  const loadBefore = oneMinuteLoad();
  const planned = redisCells(options);
  const { length: total } = planned;
  const estimateMs = total * (options.warmUpMs + options.measureMs + OVERHEAD_MS);
  console.error(`${total} cells, about ${Math.ceil(estimateMs / 1000)} s`);

  const context: RedisCellContext = { ...run, program: program.path };
  const cells: RedisCellResult[] = [];
  for (const cell of planned) {
    const result = await runRedisCell(context, cell);
    cells.push(result);
    console.error(`[${cells.length}/${total}] ${redisProgress(result)}`);
  }
  const report: RedisReport = {
    schema: 1,
    environment: began,
    redis: program.path === "" ? null : redisVersion(program.path),
    loadAverage: [loadBefore, oneMinuteLoad()],
    options,
    profileDir: run.profileDir,
    groups: summarizeRedis(cells),
    cells,
  };
  console.log(
    options.json ? JSON.stringify(report, withoutUrls, 2) : `\n${renderRedisReport(report)}`,
  );
  return redisFailures(cells).length === 0 ? 0 : 1;
}

/**
 * Round by round, so that what changes slowly on a machine reaches all cells alike; each round turns
 * their order round.
 */
export function redisCells({
  rounds,
  shapes,
  histories,
  payloads,
}: RedisBenchOptions): RedisCell[] {
  return Array.from({ length: rounds }, (_, index) => {
    const round = index + 1;
    const cells = payloads.flatMap((payloadBytes) =>
      shapes.flatMap((shape) =>
        histories.map((history): RedisCell => ({ round, shape, history, payloadBytes })),
      ),
    );
    return round % 2 === 1 ? cells : cells.toReversed();
  }).flat();
}

function redisVersion(program: string): string {
  const { stdout } = Bun.spawnSync([program, "--version"]);
  return /v=(\S+)/.exec(stdout.toString())?.[1] ?? "of unknown version";
}

function oneMinuteLoad(): number {
  return loadavg()[0] ?? Number.NaN;
}

/** A URL may carry a password, which does not belong into a result. */
function withoutUrls(key: string, value: unknown): unknown {
  return key === "redisUrls" ? undefined : value;
}
