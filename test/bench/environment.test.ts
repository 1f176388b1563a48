import { expect, test } from "bun:test";

import { parseCpuList, pinned } from "../../bench/support/environment.ts";
import { machineCpuMs, parseStat, processCpu } from "../../bench/support/process-cpu.ts";
import { table } from "../../bench/support/table.ts";

const isLinux = process.platform === "linux";

test("reads a list of processors", () => {
  expect(parseCpuList("0-2,5\n")).toEqual([0, 1, 2, 5]);
  expect(parseCpuList(" 3")).toEqual([3]);
  expect(parseCpuList("")).toEqual([]);
  expect(parseCpuList("none")).toEqual([]);
});

test("pins a command only when there is a processor for it", () => {
  expect(pinned(["bun", "x.ts"], 1)).toEqual(["taskset", "-c", "1", "bun", "x.ts"]);
  expect(pinned(["bun", "x.ts"], null)).toEqual(["bun", "x.ts"]);
});

test("reads CPU time from a stat line whatever the process is called", () => {
  const rest = "S 1 2 3 0 -1 4194304 100 0 0 0 250 75 0 0 20 0 9 0 1000 1 1";
  for (const name of ["bun", "a b", "x) y (z"]) {
    expect(parseStat(`42 (${name}) ${rest}`)).toEqual({ userMs: 2500, systemMs: 750 });
  }
  expect(parseStat("nonsense")).toBeNull();
});

test.skipIf(!isLinux)("sees this process and the machine at work (needs /proc)", () => {
  const before = processCpu(process.pid);
  const machineBefore = machineCpuMs();
  if (before === null || machineBefore === null) throw new Error("/proc cannot be read");
  let after = before;
  while (after.userMs + after.systemMs < before.userMs + before.systemMs + 50) {
    after = processCpu(process.pid) ?? after;
  }
  // The machine's count includes ours, give or take the tick that each of them rounds to.
  expect(machineCpuMs() ?? 0).toBeGreaterThanOrEqual(machineBefore + 30);
});

test("has no CPU time of a process that is not there", () => {
  expect(processCpu(2 ** 30)).toBeNull();
});

test("a table has columns as wide as their content", () => {
  expect(table("T", ["a", "long"], [["wide cell", "b"], ["c"]]).split("\n")).toEqual([
    "T",
    "---------------",
    "a          long",
    "---------------",
    "wide cell  b",
    "c",
  ]);
});
