import { describe, expect, test } from "bun:test";

import { UsageError } from "../../bench/support/arguments.ts";
import type { CellResult, SaturationResult } from "../../bench/transforms/cells.ts";
import type { PassResult } from "../../bench/transforms/job.ts";
import { parseTransformOptions } from "../../bench/transforms/options.ts";
import type { TransformBenchOptions } from "../../bench/transforms/options.ts";
import type { TransformReport } from "../../bench/transforms/report.ts";
import { summarizeTransforms } from "../../bench/transforms/summary.ts";
import { transformCells } from "../../bench/transforms/transforms-bench.ts";
import { bench } from "./bench-process.ts";

const LIMIT_MS = 60_000;

function parse(...argv: string[]): TransformBenchOptions {
  const options = parseTransformOptions(["--transforms", ...argv]);
  if (options === "help") throw new Error("help was not asked for");
  return options;
}

test("every round runs every cell once, and turns the order of the one before round", () => {
  const named = transformCells(parse("--rounds", "2")).map((cell) =>
    cell.type === "pass" ? `${cell.round} ${cell.way}` : `${cell.round} ${cell.mode}`,
  );
  expect(named).toEqual([
    "1 runner",
    "1 naive",
    "1 idle",
    "1 pool",
    "1 loop",
    "2 loop",
    "2 pool",
    "2 idle",
    "2 naive",
    "2 runner",
  ]);
});

test.each([
  [["--parts", "all"], "all is none of pass, saturation"],
  [["--rounds", "0"], "--rounds must be a whole number from 1"],
  [["--task-ms", "1000"], "--task-ms must be a whole number from 1 to 900"],
  [["--wokers", "1"], "--wokers"],
])("%j makes no sense", (argv, message) => {
  expect(() => parse(...argv)).toThrow(UsageError);
  expect(() => parse(...argv)).toThrow(message);
});

/** A second in which the worker's thread used a fifth of it. */
const passResult = (messages: number, changes: Partial<PassResult> = {}): PassResult => ({
  messages,
  elapsedMs: 1000,
  brokerThreadMs: 500,
  workerThreadMs: 200,
  processMs: 800,
  meanBatch: 250,
  ...changes,
});
const passCell = (round: number, way: "runner" | "naive", result: PassResult): CellResult => ({
  cell: { type: "pass", round, way },
  pass: result,
  saturation: null,
  error: null,
});
const saturationCell = (
  round: number,
  mode: "idle" | "pool" | "loop",
  p99Us: number,
  loopP99Us: number,
): CellResult => {
  const saturation: SaturationResult = {
    latency: { count: 1, p50Us: 100, p99Us, maxUs: p99Us, elapsedMs: 2000, cpuMs: 1, tasks: 90 },
    loop: { count: 1, p50Us: 50, p99Us: loopP99Us, maxUs: loopP99Us, ownP99Us: 30, tasks: 0 },
    brokerBusy: 1,
    othersBusy: 0.1,
  };
  return { cell: { type: "latency", round, mode }, pass: null, saturation, error: null };
};

describe("the summary", () => {
  test("turns CPU time into cost and into messages per core, and compares the ways", () => {
    const summary = summarizeTransforms([
      passCell(1, "runner", passResult(1_000_000)),
      passCell(1, "naive", passResult(20_000, { meanBatch: 1 })),
    ]);
    expect(summary.pass[0]).toMatchObject({
      perWorkerCore: { median: 5_000_000 },
      brokerThreadUs: { median: 0.5 },
      workerThreadUs: { median: 0.2 },
      processUs: { median: 0.8 },
    });
    expect([summary.rateRatio, summary.cpuRatio]).toEqual([50, 50]);
    expect(summary.targets.map(({ isMet }) => isMet)).toEqual([true, true]);
  });

  test("compares busy and idle within each round", () => {
    const summary = summarizeTransforms([
      saturationCell(1, "idle", 200, 1000),
      saturationCell(1, "pool", 400, 2500),
      saturationCell(2, "idle", 1000, 1000),
      saturationCell(2, "pool", 1400, 1500),
      saturationCell(3, "pool", 9000, 1800),
    ]);
    const [busy, delay, ownDelay] = summary.targets;
    expect(busy).toMatchObject({ value: 1.7, target: 1.5, isMet: false });
    expect(delay).toMatchObject({ value: 1.8, target: 2, isMet: true });
    expect(ownDelay).toMatchObject({ value: 0.03, isMet: true });
    expect(summary.saturation[1]).toMatchObject({ mode: "pool", tasksPerSecond: { median: 45 } });
  });

  test("has no figure for what could not be measured", () => {
    const cells = [
      passCell(1, "runner", passResult(10, { brokerThreadMs: null, workerThreadMs: null })),
    ];
    const summary = summarizeTransforms(cells);
    expect(summary.pass[0]).toMatchObject({ perWorkerCore: null, brokerThreadUs: null });
    expect(summary).toMatchObject({ rateRatio: null, targets: [] });
  });
});

test(
  "the benchmark measures both parts, once and shortly",
  async () => {
    const quick = ["--rounds", "1", "--seconds", "0.2", "--warm-up", "0.1", "--saturation", "0.5"];
    const { stdout, stderr, code } = await bench("--transforms", ...quick, "--task-ms=1", "--json");
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const { cells, summary } = JSON.parse(stdout) as TransformReport;
    expect(cells.map(({ error }) => error)).toEqual([null, null, null, null, null]);
    for (const { pass, saturation } of cells) {
      expect((pass?.messages ?? 0) + (saturation?.latency.count ?? 0)).toBeGreaterThan(0);
    }
    expect(summary.saturation.map(({ mode }) => mode)).toEqual(["idle", "pool", "loop"]);
    const [, pool, loop] = summary.saturation;
    expect(pool?.tasksPerSecond?.median).toBeGreaterThan(0);
    expect(loop?.tasksPerSecond?.median).toBeGreaterThan(0);
  },
  LIMIT_MS,
);

test(
  "the report for people has its tables",
  async () => {
    const quick = ["--rounds", "1", "--seconds", "0.1", "--warm-up", "0.1", "--parts", "pass"];
    const { stdout, code } = await bench("--transforms", ...quick);
    expect(code).toBe(0);
    expect(stdout).toContain("Pass-through, 64 B, 64 channels");
    expect(stdout).toMatch(/^pool\.run each /m);
    expect(stdout).toContain("Beside the targets");
  },
  LIMIT_MS,
);
