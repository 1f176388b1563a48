import { describe, expect, test } from "bun:test";

import type { CellResult } from "../../bench/cell.ts";
import type { LoadResult, Pace } from "../../bench/load/job.ts";
import { noFaults } from "../../bench/load/sequence-checker.ts";
import type { BrokerName } from "../../bench/options.ts";
import { shapeNamed } from "../../bench/shapes.ts";
import type { Shape } from "../../bench/shapes.ts";
import { summarize } from "../../bench/summary.ts";
import { median, spread } from "../../bench/support/stats.ts";

function shape(name: string): Shape {
  const found = shapeNamed(name);
  if (found === null) throw new Error(`no shape ${name}`);
  return found;
}

const closed: Pace = { type: "closed", windowSize: 64 };
const open: Pace = { type: "open", publicationsPerSecond: 1000 };

/** A measurement of a second: 1 M deliveries that cost the broker `cpuUs` each. */
function load(cpuUs: number, changes: Partial<LoadResult> = {}): LoadResult {
  return {
    deliveries: 1_000_000,
    elapsedMs: 1000,
    brokerCpu: { userMs: cpuUs * 250, systemMs: cpuUs * 750 },
    loadCpu: { userMs: 100, systemMs: 100 },
    subscribeCpu: null,
    redis: null,
    othersCpuMs: 0,
    latency: null,
    lateness: null,
    faults: noFaults,
    ...changes,
  };
}

function timed(p50Us: number, p99Us: number): Partial<LoadResult> {
  return { latency: { count: 10, p50Us, p90Us: p99Us, p99Us, p999Us: p99Us, maxUs: p99Us } };
}

function cell(
  round: number,
  broker: BrokerName,
  result: LoadResult | null,
  pace = closed,
): CellResult {
  const place = { round, broker, shape: shape("1:100"), payloadBytes: 64, pace };
  return { cell: place, load: result, error: result === null ? "did not start" : null };
}

test("a median is the middle value, or between the two middle ones", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
  expect(spread([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9 });
  expect(spread([])).toBeNull();
});

describe("a closed-loop group", () => {
  test("has CPU per delivery with its parts, and deliveries per second", () => {
    const [group] = summarize([
      cell(1, "tickwire", load(0.2)),
      cell(2, "tickwire", load(0.4)),
      cell(3, "tickwire", load(0.3)),
    ]);
    expect(group).toMatchObject({ shape: "1:100", payloadBytes: 64, pace: "closed" });
    const [summary] = group?.brokers ?? [];
    expect(summary?.cpuUs?.median).toBeCloseTo(0.3);
    expect(summary?.userUs).toBeCloseTo(0.075);
    expect(summary?.systemUs).toBeCloseTo(0.225);
    expect(summary?.deliveriesPerSecond?.median).toBe(1_000_000);
    expect(summary?.loadBusy).toBeCloseTo(0.2);
    expect(group?.comparisons).toEqual([]);
  });

  test("compares medians, and each round by itself, with the target of its shape", () => {
    const costs: [number, number][] = [
      [0.1, 0.2],
      [0.3, 0.25],
      [0.14, 0.5],
    ];
    const [group] = summarize(
      costs.flatMap(([ours, reference], i) => [
        cell(i + 1, "tickwire", load(ours)),
        cell(i + 1, "bare", load(reference)),
      ]),
    );
    const [comparison] = group?.comparisons ?? [];
    expect(comparison?.ratioOfMedians).toBeCloseTo(0.14 / 0.25);
    expect(comparison?.medianOfRatios).toBeCloseTo(0.5);
    expect(comparison).toMatchObject({ what: "cpu", target: 0.7, isMet: true });
  });

  test("leaves out of the comparison a round that one broker did not finish", () => {
    const [group] = summarize([
      cell(1, "tickwire", load(0.3)),
      cell(1, "bare", load(0.3)),
      cell(2, "tickwire", load(9)),
      cell(2, "bare", null),
    ]);
    expect(group?.comparisons[0]).toMatchObject({ ratioOfMedians: 1, isMet: false });
  });

  test("says nothing about CPU where it cannot be read", () => {
    const [group] = summarize([
      cell(1, "tickwire", load(1, { brokerCpu: null, othersCpuMs: null })),
      cell(1, "bare", load(1, { brokerCpu: null, othersCpuMs: null })),
    ]);
    expect(group?.brokers[0]).toMatchObject({ cpuUs: null, userUs: null, othersBusy: null });
    expect(group).toMatchObject({ comparisons: [], isDisturbed: false });
  });

  test("is marked when something else used the machine", () => {
    const quiet = cell(1, "tickwire", load(1, { othersCpuMs: 150 }));
    const busy = cell(1, "bare", load(1, { othersCpuMs: 250 }));
    expect(summarize([quiet])[0]?.isDisturbed).toBe(false);
    expect(summarize([quiet, busy])[0]?.isDisturbed).toBe(true);
  });
});

test("an open-loop group compares the median and the 99th percentile of latency", () => {
  const [group] = summarize([
    cell(1, "tickwire", load(1, timed(110, 900)), open),
    cell(1, "bare", load(1, timed(100, 500)), open),
  ]);
  expect(group?.publicationsPerSecond).toBe(1000);
  expect(group?.comparisons).toEqual([
    { what: "p50", ratioOfMedians: 1.1, medianOfRatios: 1.1, target: 1.2, isMet: true },
    { what: "p99", ratioOfMedians: 1.8, medianOfRatios: 1.8, target: 1.5, isMet: false },
  ]);
});
