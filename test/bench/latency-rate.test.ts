import { describe, expect, test } from "bun:test";

import type { CellResult } from "../../bench/cell.ts";
import { lightRate, wantedRate } from "../../bench/latency-rate.ts";
import type { LoadResult } from "../../bench/load/job.ts";
import { noFaults } from "../../bench/load/sequence-checker.ts";
import type { BrokerName } from "../../bench/options.ts";
import { shapeNamed } from "../../bench/shapes.ts";
import type { Shape } from "../../bench/shapes.ts";

function shape(name: string): Shape {
  const found = shapeNamed(name);
  if (found === null) throw new Error(`no shape ${name}`);
  return found;
}

function load(deliveries: number, lateUs: number | null = null): LoadResult {
  const late = lateUs ?? 0;
  const lateness = { count: 1, p50Us: late, p90Us: late, p99Us: late, p999Us: late, maxUs: late };
  return {
    deliveries,
    elapsedMs: 1000,
    brokerCpu: null,
    loadCpu: { userMs: 0, systemMs: 0 },
    subscribeCpu: null,
    redis: null,
    othersCpuMs: null,
    latency: null,
    lateness: lateUs === null ? null : lateness,
    faults: noFaults,
  };
}

function cell(round: number, broker: BrokerName, result: LoadResult | null): CellResult {
  const pace = { type: "closed", windowSize: 64 } as const;
  const place = { round, broker, shape: shape("1:100"), payloadBytes: 64, pace };
  return { cell: place, load: result, error: null };
}

describe("the wanted rate", () => {
  const capacity = [
    cell(1, "tickwire", load(3_000_000)),
    cell(1, "bare", load(2_000_000)),
    cell(2, "tickwire", load(5_000_000)),
    cell(2, "bare", null),
  ];

  test("is a share of what the slower broker can deliver", () => {
    // 2 M deliveries a second are 20 k publications to 100 subscribers each.
    expect(wantedRate(shape("1:100"), 64, capacity, 0.1)).toBeCloseTo(2000);
  });

  test("is unknown when nothing was measured with that shape and payload", () => {
    expect(wantedRate(shape("1:1"), 64, capacity, 0.1)).toBeNull();
    expect(wantedRate(shape("1:100"), 1024, capacity, 0.1)).toBeNull();
    expect(wantedRate(shape("1:100"), 64, [cell(1, "bare", null)], 0.1)).toBeNull();
  });
});

/** A broker and generator that keep up to some rate; collects what was tried. */
function keepsUp(upTo: number, beyond: Partial<LoadResult>) {
  const tried: number[] = [];
  const probe = async (rate: number): Promise<LoadResult> => {
    tried.push(rate);
    return rate <= upTo ? load(1, 20) : { ...load(1, 20), ...beyond };
  };
  return { tried, probe };
}

const late: Partial<LoadResult> = { lateness: load(1, 5000).lateness };
const busy: Partial<LoadResult> = { brokerCpu: { userMs: 300, systemMs: 300 } };

describe("the rate that is used", () => {
  test("is the wanted one when both keep up", async () => {
    const { tried, probe } = keepsUp(5000, late);
    expect(await lightRate(4000, probe)).toBe(4000);
    expect(tried).toEqual([4000]);
  });

  test("is halved until the generator sends in time", async () => {
    const { tried, probe } = keepsUp(1000, late);
    expect(await lightRate(4000, probe)).toBe(1000);
    expect(tried).toEqual([4000, 2000, 1000]);
  });

  test("is halved until the broker is at most half busy", async () => {
    const { tried, probe } = keepsUp(2000, busy);
    expect(await lightRate(4000, probe)).toBe(2000);
    expect(tried).toEqual([4000, 2000]);
  });

  test("is not lowered for ever", async () => {
    const { tried, probe } = keepsUp(0, late);
    expect(await lightRate(3200, probe)).toBe(100);
    expect(tried).toHaveLength(5);
  });

  test("stays when a probe cannot be run: the cells will say why", async () => {
    expect(await lightRate(4000, async () => null)).toBe(4000);
  });
});
