import { expect, test } from "bun:test";

import { Histogram, MAX_RECORDABLE } from "../../bench/support/histogram.ts";
import { announceSeed, Random } from "../support/random.ts";

const SHARES = [0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1];

const random = new Random(announceSeed("histogram"));

/** Whole numbers of every magnitude alike, as latencies are. */
function magnitude(): number {
  return Math.min(MAX_RECORDABLE, Math.floor(2 ** (random.below(32_000) / 1000)));
}

/** The value that `share` of the sorted values do not exceed, by definition. */
function exactQuantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] as number;
}

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

test("is empty at first", () => {
  const histogram = new Histogram();
  expect([histogram.count, histogram.max, histogram.quantile(0.5)]).toEqual([0, 0, 0]);
});

test("quantiles are those of the sorted values, at most 1/128 above and never below", () => {
  for (let round = 0; round < 200; round++) {
    const values = Array.from({ length: 1 + random.below(500) }, magnitude);
    const histogram = histogramOf(values);
    const sorted = values.toSorted((a, b) => a - b);
    for (const share of SHARES) {
      const exact = exactQuantile(sorted, share);
      const found = histogram.quantile(share);
      expect(found).toBeGreaterThanOrEqual(exact);
      expect(found).toBeLessThanOrEqual(exact * (1 + 1 / 128));
    }
    expect(histogram.count).toBe(values.length);
    expect(histogram.max).toBe(sorted.at(-1) as number);
  }
});

test("is exact below 128 and at the edges of every power of two", () => {
  for (let value = 0; value < 128; value++) {
    expect(histogramOf([value, 1e9]).quantile(0.5)).toBe(value);
  }
  for (let bit = 7; bit < 32; bit++) {
    // The last value of a bucket is what stands for it.
    const edge = 2 ** bit - 1;
    expect(histogramOf([edge, MAX_RECORDABLE]).quantile(0.5)).toBe(edge);
  }
});

test("two added are one of all their values", () => {
  const left = Array.from({ length: 300 }, magnitude);
  const right = Array.from({ length: 200 }, magnitude);
  const sum = histogramOf(left);
  sum.add(histogramOf(right));
  const whole = histogramOf([...left, ...right]);
  for (const share of SHARES) expect(sum.quantile(share)).toBe(whole.quantile(share));
  expect([sum.count, sum.max]).toEqual([whole.count, whole.max]);
});

test("keeps count of what is too large, and its true maximum", () => {
  const histogram = histogramOf([5, MAX_RECORDABLE + 1, 1e12, MAX_RECORDABLE]);
  expect(histogram.saturatedCount).toBe(2);
  expect(histogram.max).toBe(1e12);
  expect(histogram.quantile(1)).toBe(MAX_RECORDABLE);
});

test("takes fractions and negative values, which clocks produce", () => {
  const histogram = histogramOf([-3, 0.9, 2.2]);
  expect([histogram.quantile(0.3), histogram.quantile(0.6), histogram.quantile(1)]).toEqual([
    0, 0, 2,
  ]);
});
