import { describe, expect, test } from "bun:test";

import type { LoadResult } from "../../bench/load/job.ts";
import { shapes } from "../../bench/shapes.ts";
import { tracingCells } from "../../bench/tracing/tracing-bench.ts";
import type { TracingCellResult } from "../../bench/tracing/tracing-cell.ts";
import { parseTracingOptions, tracingModes } from "../../bench/tracing/tracing-options.ts";
import type { TracingMode } from "../../bench/tracing/tracing-options.ts";
import { renderTracing, summarizeTracing } from "../../bench/tracing/tracing-report.ts";

const [shape] = shapes;

function options(...argv: string[]): Exclude<ReturnType<typeof parseTracingOptions>, "help"> {
  const parsed = parseTracingOptions(argv);
  if (parsed === "help") throw new Error("asked for help");
  return parsed;
}

/** A cell in which a delivery cost so much, us. */
function result(round: number, mode: TracingMode, cpuUs: number): TracingCellResult {
  if (shape === undefined) throw new Error("there are no shapes");
  const load = {
    deliveries: 1000,
    elapsedMs: 1000,
    brokerCpu: { userMs: cpuUs, systemMs: 0 },
    loadCpu: { userMs: 1, systemMs: 0 },
    othersCpuMs: 0,
    faults: { lost: 0, doubled: 0, reordered: 0, corrupted: 0, first: null },
  } as unknown as LoadResult;
  return { cell: { round, mode, shape }, load, exports: 0, error: null };
}

describe("the benchmark of tracing", () => {
  test("runs every mode of a shape once a round, in another order each time", () => {
    const cells = tracingCells(options("--rounds", "4", "--shapes", "1:1,pairs"));
    expect(cells).toHaveLength(4 * 2 * tracingModes.length);
    const orders = [1, 2, 3, 4].map((round) =>
      cells
        .filter((cell) => cell.round === round && cell.shape.name === "1:1")
        .map(({ mode }) => mode),
    );
    for (const order of orders) expect(order.toSorted()).toEqual([...tracingModes].toSorted());
    expect(new Set(orders.map((order) => order.join())).size).toBe(4);
    expect(new Set(orders.map(([first]) => first)).size).toBeGreaterThan(1);
  });

  test("compares each mode with no tracing, round by round", () => {
    const results = [1, 2, 3].flatMap((round) => [
      result(round, "off", round),
      result(round, "recorder", round * 1.01),
      result(round, "unsampled", round * 1.5),
    ]);
    const groups = summarizeTracing(results);
    const of = (mode: TracingMode) => groups.find((one) => one.mode === mode);
    expect(of("off")?.medianOfRatios).toBe(1);
    expect(of("recorder")?.medianOfRatios).toBeCloseTo(1.01, 6);
    expect(of("unsampled")?.ratioOfMedians).toBeCloseTo(1.5, 6);
    expect(of("sampled")).toMatchObject({ medianOfRatios: null, cpuUs: null });
    expect(renderTracing(groups, results)).toContain("1.500");
  });

  test("refuses what it does not know", () => {
    expect(parseTracingOptions(["--help"])).toBe("help");
    expect(() => parseTracingOptions(["--shapes", "7:3"])).toThrow("--shapes");
    expect(() => parseTracingOptions(["--rounds", "0"])).toThrow("--rounds");
    expect(() => parseTracingOptions(["--colour"])).toThrow();
  });
});
