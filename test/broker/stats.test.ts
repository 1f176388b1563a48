import { describe, expect, test } from "bun:test";

import { Histogram, Stats } from "../../broker/stats.ts";
import { Code } from "../../protocol/codes.ts";
import { announceSeed, Random } from "../support/random.ts";

describe("stats", () => {
  test("a histogram counts each value in the first bucket it fits, and what fits none in the last", () => {
    const boundsMs = [1, 5, 10];
    const histogram = new Histogram(boundsMs);
    const random = new Random(announceSeed("stats"));
    const values: number[] = [];
    for (let i = 0; i < 500; i++) {
      const value = random.pick([0, 1, 1.01, 5, 9.99, 10, 10.01, random.below(20)]);
      const times = random.between(1, 3);
      histogram.record(value, times);
      for (let n = 0; n < times; n++) values.push(value);
    }
    const inBucket = (low: number, high: number): number =>
      values.filter((value) => value > low && value <= high).length;
    expect(histogram.counts).toEqual([
      inBucket(-1, 1),
      inBucket(1, 5),
      inBucket(5, 10),
      inBucket(10, Infinity),
    ]);
    expect(histogram.count).toBe(values.length);
    expect(histogram.sumMs).toBeCloseTo(
      values.reduce((sum, value) => sum + value, 0),
      6,
    );
  });

  test("errors, closes and drops are counted by their names", () => {
    const stats = new Stats();
    stats.errored(Code.forbidden);
    stats.errored(Code.forbidden);
    stats.closed("slow");
    stats.dropped("slow", 3);
    stats.dropped("slow", 4);
    expect([...stats.errorsByCode]).toEqual([["forbidden", 2]]);
    expect([...stats.closesByCode]).toEqual([["slow", 1]]);
    expect(stats.dropsByReason.get("slow")).toBe(7);
  });
});
