import type { Environment } from "../support/environment.ts";
import { number, optional, percent, range, rate } from "../support/format.ts";
import { table } from "../support/table.ts";
import type { CellResult } from "./cells.ts";
import type { TransformBenchOptions } from "./options.ts";
import type { TransformSummary } from "./summary.ts";

/** Everything one run found; `--json` prints it as it is. */
export interface TransformReport {
  /** Raised when a field changes its meaning. */
  readonly schema: 1;
  readonly environment: Environment;
  /** Of the machine over one minute, before and after. */
  readonly loadAverage: readonly [number, number];
  readonly options: TransformBenchOptions;
  readonly summary: TransformSummary;
  readonly cells: readonly CellResult[];
}

/** Share of one processor that other processes may use before latencies say little. */
const MAX_OTHERS_BUSY = 0.2;

const WAYS = { runner: "transform", naive: "pool.run each" } as const;
const MODE_TEXT = {
  idle: "no work",
  pool: "in the pool",
  loop: "on the event loop",
} as const;

/** The report for a terminal. */
export function renderTransformReport(report: TransformReport): string {
  const parts = [headline(report), passTable(report), saturationTable(report), targets(report)];
  if (report.summary.saturation.some(({ othersBusy }) => (othersBusy ?? 0) > MAX_OTHERS_BUSY)) {
    parts.push(
      "Other work kept this machine busy (column others): whoever is descheduled waits for milliseconds. Run it again on a quiet machine.",
    );
  }
  const failed = report.cells.filter(({ error }) => error !== null);
  if (failed.length > 0) {
    const lines = failed.map(({ cell, error }) => `  ${cellName(cell)}: ${error}`);
    parts.push(["NOT RUN", ...lines].join("\n"));
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

/** One line for the person who waits. */
export function transformProgress({ cell, pass, saturation, error }: CellResult): string {
  const what = `round ${cell.round}  ${cellName(cell).padEnd(26)}`;
  if (pass !== null) return `${what}  ${rate((pass.messages * 1000) / pass.elapsedMs)}/s`;
  if (saturation !== null) {
    const { latency, loop } = saturation;
    return `${what}  p99 ${number(latency.p99Us)} us  event loop p99 ${number(loop.p99Us)} us`;
  }
  return `${what}  FAILED: ${error}`;
}

function cellName(cell: CellResult["cell"]): string {
  return cell.type === "pass" ? `pass: ${WAYS[cell.way]}` : `work ${MODE_TEXT[cell.mode]}`;
}

function headline({ environment, options, loadAverage }: TransformReport): string {
  const [before, after] = loadAverage.map((load) => load.toFixed(1));
  return [
    `Bun ${environment.bun} (${environment.bunRevision}), ${environment.cpu}, ${environment.cores} processors, ${environment.kernel}`,
    `${environment.date}, ${options.rounds} interleaved rounds, fresh processes for each cell; load average ${before} before, ${after} after`,
  ].join("\n");
}

function passTable({ summary, options }: TransformReport): string {
  if (summary.pass.length === 0) return "";
  const { payloadBytes, channels, windowSize } = options;
  const rows = summary.pass.map((one) => [
    WAYS[one.way],
    range(one.messagesPerSecond, rate),
    range(one.perWorkerCore, rate),
    range(one.brokerThreadUs, number),
    range(one.workerThreadUs, number),
    range(one.processUs, number),
    optional(one.meanBatch, number),
  ]);
  const ratios =
    summary.rateRatio === null
      ? ""
      : `\nA transform takes ${number(summary.rateRatio)} times as many messages a second as pool.run for each${summary.cpuRatio === null ? "" : `, at 1/${number(summary.cpuRatio)} of the CPU`}.`;
  return (
    table(
      `Pass-through, ${payloadBytes} B, ${channels} channels, ${windowSize} under way, 1 worker: median (min-max)`,
      [
        "way",
        "messages/s",
        "per worker core",
        "broker thread us",
        "worker thread us",
        "process us",
        "batch",
      ],
      rows,
    ) + ratios
  );
}

function saturationTable({ summary, options }: TransformReport): string {
  if (summary.saturation.length === 0) return "";
  const rows = summary.saturation.map((one) => [
    MODE_TEXT[one.mode],
    range(one.p50Us, number),
    range(one.p99Us, number),
    range(one.maxUs, number),
    range(one.loopP50Us, number),
    range(one.loopP99Us, number),
    range(one.loopMaxUs, number),
    range(one.loopOwnP99Us, number),
    optional(one.tasksPerSecond?.median ?? null, number),
    optional(one.brokerBusy, percent),
    optional(one.othersBusy, percent),
  ]);
  return table(
    `Channels without transforms, us, while tasks of ${options.taskMs} ms run (${options.workers} worker): median (min-max)`,
    [
      "tasks",
      "p50",
      "p99",
      "max",
      "loop p50",
      "loop p99",
      "loop max",
      "own p99",
      "tasks/s",
      "broker",
      "others",
    ],
    rows,
  );
}

function targets({ summary }: TransformReport): string {
  if (summary.targets.length === 0) return "";
  return table(
    "Beside the targets",
    ["", "value", "target", ""],
    summary.targets.map(({ what, value, unit, target, isAtLeast, isMet }) => [
      what,
      `${isAtLeast ? rate(value) : number(value)} ${unit}`.trim(),
      `${isAtLeast ? `>= ${rate(target)}` : `<= ${target}`} ${unit}`.trim(),
      isMet ? "met" : "missed",
    ]),
  );
}
