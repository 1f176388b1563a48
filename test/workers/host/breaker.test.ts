import { expect, test } from "bun:test";

import { Breaker } from "../../../workers/host/breaker.ts";

test("it opens at the fifth loss within the window", () => {
  const breaker = new Breaker(30_000, 10_000);
  expect([0, 1, 2, 3].map((atMs) => breaker.recordLoss(atMs))).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect(breaker.isOpen).toBe(false);
  expect(breaker.recordLoss(4)).toBe(true);
  expect(breaker.isOpen).toBe(true);
});

test("losses further apart than the window do not add up", () => {
  const breaker = new Breaker(1000, 10_000);
  for (let atMs = 0; atMs < 20_000; atMs += 300) breaker.recordLoss(atMs);
  expect(breaker.isOpen).toBe(false);
});

test("it lets one probe through each interval, and closes when one succeeds", () => {
  const breaker = new Breaker(30_000, 10_000);
  for (let i = 0; i < 5; i++) breaker.recordLoss(0);
  expect(breaker.mayProbe(9999)).toBe(false);
  expect(breaker.waitMs(9000)).toBe(1000);
  expect(breaker.mayProbe(10_000)).toBe(true);
  breaker.beginProbe();
  expect(breaker.mayProbe(10_000)).toBe(false);
  expect(breaker.recordLoss(10_001)).toBe(false);
  expect(breaker.mayProbe(20_000)).toBe(false);
  expect(breaker.mayProbe(20_001)).toBe(true);
  breaker.beginProbe();
  breaker.close();
  expect(breaker.isOpen).toBe(false);
  expect([0, 0, 0, 0].map(() => breaker.recordLoss(20_002))).not.toContain(true);
});
