import { expect, test } from "bun:test";

import { DurationHistogram } from "../../../workers/host/histogram.ts";
import { Random } from "../../support/random.ts";

test("percentiles are within a sixteenth of the exact ones", () => {
  const random = new Random(7);
  const histogram = new DurationHistogram();
  const values = Array.from({ length: 5000 }, () => 2 ** (random.below(2000) / 100) / 1000);
  for (const value of values) histogram.record(value);
  const sorted = values.toSorted((a, b) => a - b);
  for (const share of [0.01, 0.5, 0.9, 0.99, 1]) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
    // Values are kept in whole microseconds.
    expect(Math.abs(histogram.percentileMs(share) - exact)).toBeLessThan(exact / 16 + 0.001);
  }
  expect(histogram.count).toBe(5000);
});

test("two add up to what one would have counted", () => {
  const [one, other, both] = [0, 1, 2].map(() => new DurationHistogram());
  for (const ms of [1, 5, 9]) {
    one?.record(ms);
    both?.record(ms);
  }
  other?.record(700, 3);
  both?.record(700, 3);
  if (other !== undefined) one?.add(other);
  expect(one?.percentileMs(0.99)).toBe(both?.percentileMs(0.99) ?? 0);
  expect(one?.sumMs).toBe(2115);
  expect(one?.meanMs).toBe(352.5);
});

test("an empty one says 0, and times beyond its range count as the longest", () => {
  const histogram = new DurationHistogram();
  expect(histogram.percentileMs(0.5)).toBe(0);
  histogram.record(-5);
  expect(histogram.percentileMs(1)).toBe(0);
  histogram.record(1e12);
  expect(histogram.percentileMs(1)).toBeGreaterThan(4_000_000);
});
