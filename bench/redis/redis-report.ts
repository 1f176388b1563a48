import { hasFaults } from "../load/sequence-checker.ts";
import { deliveriesPerSecond } from "../summary.ts";
import type { Environment } from "../support/environment.ts";
import { number, optional, percent, range, rate } from "../support/format.ts";
import { table } from "../support/table.ts";
import type { RedisCellResult } from "./redis-cell.ts";
import type { RedisBenchOptions } from "./redis-options.ts";
import type { RedisGroup, RedisVerdict } from "./redis-summary.ts";

/** Everything one run over Redis found; `--json` prints it as it is. */
export interface RedisReport {
  /** Raised when a field changes its meaning. */
  readonly schema: 1;
  readonly environment: Environment;
  /** Version that the Redis program says it has; null with servers that ran already. */
  readonly redis: string | null;
  /** Of the last minute, when the run began and when it ended. */
  readonly loadAverage: readonly [number, number];
  readonly options: RedisBenchOptions;
  readonly profileDir: string | null;
  readonly groups: readonly RedisGroup[];
  readonly cells: readonly RedisCellResult[];
}

/** The cells that make a run fail: not run, or with deliveries lost, doubled, reordered or corrupted. */
export function redisFailures(cells: readonly RedisCellResult[]): RedisCellResult[] {
  return cells.filter(({ load }) => load === null || hasFaults(load.faults));
}

/** One line for the person who waits. */
export function redisProgress({ cell, load, error }: RedisCellResult): string {
  const { round, shape, history, payloadBytes } = cell;
  const what = `round ${round}  ${shape.name.padEnd(8)}  ${history.padEnd(11)}  ${payloadBytes} B`;
  if (load === null) return `${what}  FAILED: ${error}`;
  const fault = hasFaults(load.faults) ? `  FAULT ${load.faults.first}` : "";
  return `${what}  ${rate(deliveriesPerSecond(load))} deliveries/s${fault}`;
}

/** The report for a terminal. */
export function renderRedisReport(report: RedisReport): string {
  const { groups, cells, profileDir } = report;
  const parts = [
    headline(report),
    rateTable(groups, report),
    costTable(groups),
    verdictTable(groups),
    faultLines(cells),
  ];
  if (groups.some((group) => group.isDisturbed)) {
    parts.push(
      "Other work kept this machine busy (column others): rates say little then, CPU time and calls less than on a quiet machine.",
    );
  }
  if (profileDir !== null) {
    parts.push(
      `CPU profiles are in ${profileDir}. Profiling slows the nodes: these figures are not comparable.`,
    );
  }
  return parts.join("\n\n");
}

function headline({ environment, redis, loadAverage, options }: RedisReport): string {
  const { rounds, measureMs, warmUpMs, batch, redisUrls } = options;
  const servers =
    redisUrls.length === 0 ? `a Redis ${redis} of its own` : `${redisUrls.length} Redis server(s)`;
  return [
    `Bun ${environment.bun} (${environment.bunRevision}), ${environment.cpu}, ${environment.cores} processors, ${environment.kernel}`,
    `${environment.date}, ${rounds} interleaved rounds of ${warmUpMs / 1000} s warm-up and ${measureMs / 1000} s measured; load average ${loadAverage.map((value) => value.toFixed(1)).join(", then ")}`,
    `Publishers on node A, subscribers on node B, ${servers} between them; ${batch} publish frame(s) a message; nothing pinned`,
  ].join("\n");
}

function rateTable(groups: readonly RedisGroup[], { options }: RedisReport): string {
  return table(
    `Rates, closed loop: median (min-max) of ${options.rounds}, and shares of a processor`,
    [
      "shape",
      "history",
      "payload",
      "publications/s",
      "deliveries/s",
      "Redis",
      "node A",
      "node B",
      "generator",
      "others",
    ],
    groups.map((group) => [
      ...label(group),
      range(group.publicationsPerSecond, rate),
      range(group.deliveriesPerSecond, rate),
      optional(group.redisBusy, percent),
      optional(group.publishBusy, percent),
      optional(group.deliverBusy, percent),
      optional(group.loadBusy, percent),
      optional(group.othersBusy, percent),
    ]),
  );
}

function costTable(groups: readonly RedisGroup[]): string {
  return table(
    "Costs, CPU us of all threads: median (min-max)",
    [
      "shape",
      "history",
      "payload",
      "Redis calls/publication",
      "Redis us/publication",
      "node A us/publication",
      "node B us/delivery",
    ],
    groups.map((group) => [
      ...label(group),
      range(group.callsPerPublication, share),
      range(group.redisUs, number),
      range(group.publishUs, number),
      range(group.deliverUs, number),
    ]),
  );
}

function verdictTable(groups: readonly RedisGroup[]): string {
  return table(
    "Against what we want",
    ["shape", "history", "payload", "of", "median", "target", ""],
    groups.flatMap((group) =>
      group.verdicts.map((verdict) => [
        ...label(group),
        ...claim(verdict),
        (verdict.isMet ? "met" : "missed") + (group.isDisturbed ? ", disturbed" : ""),
      ]),
    ),
  );
}

function claim({ what, median, target }: RedisVerdict): [string, string, string] {
  return what === "calls"
    ? ["Redis calls per publication", share(median), `<= 1/${Math.round(1 / target)}`]
    : ["publications/s per Redis core", rate(median), `>= ${rate(target)}`];
}

function faultLines(cells: readonly RedisCellResult[]): string {
  const bad = redisFailures(cells);
  if (bad.length === 0) return "Every delivery arrived once, whole and in order.";
  const lines = bad.map(({ cell, load, error }) => {
    const { round, shape, history, payloadBytes } = cell;
    const where = `round ${round}, ${shape.name}, ${history}, ${payloadBytes} B`;
    if (load === null) return `  ${where}: not run: ${error}`;
    const { lost, duplicated, inverted, corrupt, first } = load.faults;
    return `  ${where}: ${lost} lost, ${duplicated} duplicated, ${inverted} out of order, ${corrupt} corrupt; first: ${first}`;
  });
  return ["FAULTS", ...lines].join("\n");
}

function label({ shape, history, payloadBytes }: RedisGroup): [string, string, string] {
  return [shape, history, `${payloadBytes} B`];
}

/** Calls per publication, as the fraction that they are usually thought of. */
function share(calls: number): string {
  return calls > 0 && calls < 1 ? `1/${number(1 / calls)}` : number(calls);
}
