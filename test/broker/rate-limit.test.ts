import { describe, expect, test } from "bun:test";

import { RateLimit } from "../../broker/rate-limit.ts";
import { announceSeed, Random } from "../support/random.ts";

describe("rate limit", () => {
  test("lets a burst through, then one for each interval", () => {
    const limit = new RateLimit(10, 20, 0);
    for (let i = 0; i < 20; i++) expect(limit.take(1, 0)).toBe(0);
    expect(limit.take(1, 0)).toBe(100);
    expect(limit.take(1, 50)).toBe(50);
    expect(limit.take(1, 100)).toBe(0);
    expect(limit.take(1, 100)).toBe(100);
  });

  test("a refusal takes nothing, and its answer is when to come again", () => {
    const limit = new RateLimit(1000, 10, 0);
    expect(limit.take(10, 0)).toBe(0);
    const waitMs = limit.take(5, 0);
    expect(waitMs).toBe(5);
    expect(limit.take(5, waitMs)).toBe(0);
  });

  test("never holds more than the burst", () => {
    const limit = new RateLimit(10, 20, 0);
    let taken = 0;
    while (limit.take(1, 1_000_000) === 0) taken++;
    expect(taken).toBe(20);
  });

  test("lets what is larger than the burst through when full, and makes up for it", () => {
    const limit = new RateLimit(1000, 100, 0);
    expect(limit.take(1000, 0)).toBe(0);
    expect(limit.take(1, 0)).toBe(901);
    expect(limit.take(1, 901)).toBe(0);
  });

  test("tells beforehand what it would answer, and takes nothing", () => {
    const random = new Random(announceSeed("rate-limit-wait"));
    const limit = new RateLimit(50, 100, 0);
    let nowMs = 0;
    let refusals = 0;
    for (let step = 0; step < 2000; step++) {
      nowMs += random.below(60) / 2;
      const cost = random.between(1, 120);
      const waitMs = limit.waitMs(cost, nowMs);
      expect(limit.waitMs(cost, nowMs)).toBe(waitMs);
      expect(limit.take(cost, nowMs)).toBe(waitMs);
      if (waitMs > 0) refusals++;
    }
    expect(refusals).toBeGreaterThan(100);
  });

  test("a rate of 0 limits nothing", () => {
    const limit = new RateLimit(0, 0, 0);
    expect(limit.isOff).toBe(true);
    expect(limit.waitMs(1_000_000, 0)).toBe(0);
    for (let i = 0; i < 1000; i++) expect(limit.take(1_000_000, 0)).toBe(0);
  });

  test("never lets more through than rate times time and one burst, nor less to who waits as told", () => {
    const random = new Random(announceSeed("rate-limit"));
    const limit = new RateLimit(50, 100, 0);
    let nowMs = 0;
    let taken = 0;
    for (let step = 0; step < 5000; step++) {
      nowMs += random.below(60) / 2;
      const cost = random.between(1, 60);
      const waitMs = limit.take(cost, nowMs);
      if (waitMs === 0) taken += cost;
      else {
        nowMs += waitMs;
        expect(limit.take(cost, nowMs)).toBe(0);
        taken += cost;
      }
      expect(taken).toBeLessThanOrEqual(100 + (nowMs * 50) / 1000 + 1e-6);
    }
    // It is no more strict than it must be either: asking all the time gets nearly the whole rate.
    expect(taken).toBeGreaterThan((nowMs * 50) / 1000 - 100);
  });
});
