import { loadavg } from "node:os";

import type { Children } from "../support/children.ts";
import { environment } from "../support/environment.ts";
import { MODES, runCell } from "./cells.ts";
import type { Cell, CellResult } from "./cells.ts";
import type { TransformBenchOptions } from "./options.ts";
import { renderTransformReport, transformProgress } from "./report.ts";
import type { TransformReport } from "./report.ts";
import { summarizeTransforms } from "./summary.ts";

/** Starting, connecting and ending take about this long beside the load, ms. */
const OVERHEAD_MS = 800;

/** Runs the whole benchmark of transforms; returns the exit code. */
export async function runTransformsBench(
  options: TransformBenchOptions,
  children: Children,
): Promise<number> {
  const began = environment();
  const before = oneMinuteLoad();
  const planned = transformCells(options);
  const estimateMs = planned.reduce((sum, cell) => sum + cellMs(options, cell), 0);
  console.error(`${planned.length} cells, about ${Math.ceil(estimateMs / 1000)} s`);
  const cells: CellResult[] = [];
  for (const cell of planned) {
    const result = await runCell({ options, children }, cell);
    cells.push(result);
    console.error(`[${cells.length}/${planned.length}] ${transformProgress(result)}`);
  }
  const report: TransformReport = {
    schema: 1,
    environment: began,
    loadAverage: [before, oneMinuteLoad()],
    options,
    summary: summarizeTransforms(cells),
    cells,
  };
  console.log(
    options.json ? JSON.stringify(report, null, 2) : `\n${renderTransformReport(report)}`,
  );
  return cells.some(({ error }) => error !== null) ? 1 : 0;
}

/** Round by round, so that what changes slowly on a machine reaches all alike; each round turns their order round. */
export function transformCells({ rounds, parts }: TransformBenchOptions): Cell[] {
  return Array.from({ length: rounds }, (_, index) => {
    const round = index + 1;
    const cells: Cell[] = [];
    if (parts.includes("pass")) {
      cells.push({ type: "pass", round, way: "runner" }, { type: "pass", round, way: "naive" });
    }
    if (parts.includes("saturation")) {
      cells.push(...MODES.map((mode): Cell => ({ type: "latency", round, mode })));
    }
    return round % 2 === 1 ? cells : cells.toReversed();
  }).flat();
}

function cellMs(options: TransformBenchOptions, { type }: Cell): number {
  const { warmUpMs, measureMs, saturationMs } = options;
  return OVERHEAD_MS + warmUpMs + (type === "pass" ? measureMs : saturationMs);
}

function oneMinuteLoad(): number {
  return loadavg()[0] ?? Number.NaN;
}
