import type { Children } from "../support/children.ts";
import { environment, findPinning } from "../support/environment.ts";
import { TimeSlices } from "./time-slices.ts";
import { TracingCellRun } from "./tracing-cell.ts";
import type { TracingCell, TracingCellContext, TracingCellResult } from "./tracing-cell.ts";
import { tracingModes } from "./tracing-options.ts";
import type { TracingBenchOptions } from "./tracing-options.ts";
import {
  renderTracing,
  summarizeTracing,
  tracingFailures,
  tracingProgress,
} from "./tracing-report.ts";

/** Starting both processes, connecting and settling take about this long beside the load, ms. */
const OVERHEAD_MS = 600;

export interface TracingBenchRun {
  readonly options: TracingBenchOptions;
  readonly children: Children;
  readonly secret: string;
}

/** Runs the whole benchmark of tracing; returns the exit code. */
export async function runTracingBench({
  options,
  children,
  secret,
}: TracingBenchRun): Promise<number> {
  const began = environment();
  const planned = tracingCells(options);
  const estimateMs = planned.length * (options.warmUpMs + options.measureMs + OVERHEAD_MS);
  console.error(`${planned.length} cells, about ${Math.ceil(estimateMs / 1000)} s`);
  const pinning = options.pins ? findPinning() : null;
  const context: TracingCellContext = { options, children, secret, pinning };
  const cells: TracingCellResult[] = [];
  for (let at = 0; at < planned.length; at += tracingModes.length) {
    for (const result of await runTogether(context, planned.slice(at, at + tracingModes.length))) {
      cells.push(result);
      console.error(`[${cells.length}/${planned.length}] ${tracingProgress(result)}`);
    }
  }
  const groups = summarizeTracing(cells);
  const report = { schema: 1, environment: began, options, groups, cells };
  console.log(options.json ? JSON.stringify(report, null, 2) : `\n${renderTracing(groups, cells)}`);
  return tracingFailures(cells).length === 0 ? 0 : 1;
}

/** Runs the modes of a shape in turns of a fraction of a second. Never rejects. */
async function runTogether(
  context: TracingCellContext,
  cells: readonly TracingCell[],
): Promise<TracingCellResult[]> {
  await using brokers = new AsyncDisposableStack();
  using slices = new TimeSlices();
  try {
    const runs: TracingCellRun[] = [];
    for (const cell of cells) runs.push(brokers.use(await TracingCellRun.start(context, cell)));
    return await Promise.all(runs.map((run) => run.measure(slices)));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return cells.map((cell) => ({ cell, load: null, exports: 0, error: message }));
  }
}

/**
 * All modes of a shape in turns, in an order that turns from round to round: whatever changes slowly on
 * a machine reaches all of them alike.
 */
export function tracingCells({ rounds, shapes }: TracingBenchOptions): TracingCell[] {
  return Array.from({ length: rounds }, (_, index) =>
    shapes.flatMap((shape) =>
      tracingModes.map((_mode, i) => {
        const at = (i + index) % tracingModes.length;
        const place = index % 2 === 0 ? at : tracingModes.length - 1 - at;
        const mode = tracingModes[place] as (typeof tracingModes)[number];
        return { round: index + 1, mode, shape };
      }),
    ),
  ).flat();
}
