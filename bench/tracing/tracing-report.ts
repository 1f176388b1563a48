import { hasFaults } from "../load/sequence-checker.ts";
import { cpuPerDelivery, deliveriesPerSecond } from "../summary.ts";
import { number, optional, percent, range, rate } from "../support/format.ts";
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
  readonly deliveriesPerSecond: Spread | null;
  /** Over the same round's `off`: the middle of the rounds' ratios, and the ratio of the middles. */
  readonly medianOfRatios: number | null;
  readonly ratioOfMedians: number | null;
  readonly target: number;
  readonly othersBusy: number | null;
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
  const loads = results.flatMap(({ cell, load }) => (cell.mode === mode && load ? [load] : []));
  const cpuUs = spread([...own.values()]);
  const base = spread([...off.values()]);
  return {
    shape,
    mode,
    cpuUs,
    deliveriesPerSecond: spread(loads.map(deliveriesPerSecond)),
    medianOfRatios: ratios.length === 0 ? null : median(ratios),
    ratioOfMedians: cpuUs === null || base === null ? null : cpuUs.median / base.median,
    target: cpuTargets[mode],
    othersBusy:
      spread(loads.flatMap(({ othersCpuMs, elapsedMs }) => (othersCpuMs ?? 0) / elapsedMs))
        ?.median ?? null,
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
    range(one.deliveriesPerSecond, rate),
    optional(one.medianOfRatios, ratio),
    optional(one.ratioOfMedians, ratio),
    one.mode === "off" ? "" : one.target.toFixed(2),
    optional(one.othersBusy, percent),
  ]);
  const head = ["shape", "tracing", "broker CPU us", "deliveries/s", "of ratios", "of medians"];
  const parts = [
    table(
      "CPU per delivery, and its ratio to tracing off: median of the rounds' ratios, ratio of the medians",
      [...head, "target", "others"],
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
  return `${what}  ${rate(deliveriesPerSecond(load))}/s  ${optional(cpuUs, number)} us  ${exports} exports`;
}
