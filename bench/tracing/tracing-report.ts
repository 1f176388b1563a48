import { hasFaults } from "../load/sequence-checker.ts";
import { cpuPerDelivery } from "../summary.ts";
import { number, optional, range } from "../support/format.ts";
import { median, spread } from "../support/stats.ts";
import type { Spread } from "../support/stats.ts";
import { table } from "../support/table.ts";
import type { TracingCellResult } from "./tracing-cell.ts";
import { cpuTargets, tracingModes } from "./tracing-options.ts";
import type { TracingMode } from "./tracing-options.ts";

export interface TracingModeSummary {
  readonly shape: string;
  readonly mode: TracingMode;
  /** Broker CPU per delivery, us. */
  readonly cpuUs: Spread | null;
  /** Over the same round's `off`: the middle of the rounds' ratios, and the ratio of the middles. */
  readonly medianOfRatios: number | null;
  readonly ratioOfMedians: number | null;
  /** The rounds' ratios. */
  readonly ratios: Spread | null;
  readonly target: number;
}

export function summarizeTracing(results: readonly TracingCellResult[]): TracingModeSummary[] {
  const byShape = Map.groupBy(results, ({ cell }) => cell.shape.name);
  return [...byShape].flatMap(([shape, ofShape]) =>
    tracingModes.map((mode) => summarizeMode(shape, mode, ofShape)),
  );
}

function summarizeMode(
  shape: string,
  mode: TracingMode,
  results: readonly TracingCellResult[],
): TracingModeSummary {
  const cpuOf = (wanted: TracingMode): Map<number, number> =>
    new Map(
      results.flatMap(({ cell, load }) => {
        const cpuUs = cell.mode === wanted && load !== null ? cpuPerDelivery(load) : null;
        return cpuUs === null ? [] : [[cell.round, cpuUs] as const];
      }),
    );
  const own = cpuOf(mode);
  const off = cpuOf("off");
  const ratios = [...own].flatMap(([round, cpuUs]) => {
    const base = off.get(round);
    return base === undefined ? [] : [cpuUs / base];
  });
  const cpuUs = spread([...own.values()]);
  const base = spread([...off.values()]);
  return {
    shape,
    mode,
    cpuUs,
    ratios: spread(ratios),
    medianOfRatios: ratios.length === 0 ? null : median(ratios),
    ratioOfMedians: cpuUs === null || base === null ? null : cpuUs.median / base.median,
    target: cpuTargets[mode],
  };
}

/** The report for a terminal. */
export function renderTracing(
  groups: readonly TracingModeSummary[],
  results: readonly TracingCellResult[],
): string {
  const rows = groups.map((one) => [
    one.shape,
    one.mode,
    range(one.cpuUs, number),
    one.mode === "off" ? "" : range(one.ratios, ratio),
    optional(one.ratioOfMedians, ratio),
    one.mode === "off" || one.mode === "control" ? "" : one.target.toFixed(2),
  ]);
  const head = ["shape", "tracing", "broker CPU us", "of ratios", "of medians"];
  const parts = [
    table(
      "CPU per delivery, and its ratio to tracing off: median of the rounds' ratios (all of them), ratio of the medians",
      [...head, "target"],
      rows,
    ),
  ];
  for (const { cell, error, load } of tracingFailures(results)) {
    const what = error ?? load?.faults.first ?? "";
    parts.push(`round ${cell.round} ${cell.shape.name} ${cell.mode}: ${what}`);
  }
  return parts.join("\n\n");
}

function ratio(value: number): string {
  return value.toFixed(3);
}

export function tracingFailures(results: readonly TracingCellResult[]): TracingCellResult[] {
  return results.filter(({ load }) => load === null || hasFaults(load.faults));
}

/** One line for the person who waits. */
export function tracingProgress({ cell, load, error, exports }: TracingCellResult): string {
  const what = `round ${cell.round}  ${cell.shape.name.padEnd(6)}  ${cell.mode.padEnd(9)}`;
  if (load === null) return `${what}  FAILED: ${error}`;
  const cpuUs = cpuPerDelivery(load);
  return `${what}  ${optional(cpuUs, number)} us  ${exports} exports`;
}
