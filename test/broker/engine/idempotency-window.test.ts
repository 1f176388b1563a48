import { describe, expect, test } from "bun:test";

import { IdempotencyWindow } from "../../../broker/engine/idempotency-window.ts";
import { announceSeed, Random } from "../../support/random.ts";

describe("idempotency window", () => {
  test("finds the offset of an id until its time is over", () => {
    const window = new IdempotencyWindow(1000, 10);
    window.remember("a", 5, 0);
    expect(window.find("a", 999)).toBe(5);
    expect(window.find("a", 1000)).toBe(0);
    expect(window.find("b", 0)).toBe(0);
  });

  test("forgets the oldest ids beyond its count", () => {
    const window = new IdempotencyWindow(1000, 3);
    for (let i = 1; i <= 5; i++) window.remember(`id-${i}`, i, 0);
    expect([1, 2, 3, 4, 5].map((i) => window.find(`id-${i}`, 0))).toEqual([0, 0, 3, 4, 5]);
    expect(window.size).toBe(3);
  });

  test("gives expired ids back when it is told the time", () => {
    const window = new IdempotencyWindow(1000, 10);
    window.remember("a", 1, 0);
    window.remember("b", 2, 600);
    window.expire(1100);
    expect(window.size).toBe(1);
    window.expire(1600);
    expect(window.size).toBe(0);
  });

  test("keeps nothing when it may hold no keys", () => {
    const window = new IdempotencyWindow(1000, 0);
    window.remember("a", 1, 0);
    expect(window.find("a", 0)).toBe(0);
    expect(window.size).toBe(0);
  });

  test("equals a list of what was remembered", () => {
    const seed = announceSeed("idempotency-window");
    const random = new Random(seed);
    const maxKeys = 8;
    const windowMs = 50;
    const window = new IdempotencyWindow(windowMs, maxKeys);
    let list: { id: string; offset: number; atMs: number }[] = [];
    let nowMs = 0;
    for (let step = 1; step <= 5000; step++) {
      nowMs += random.below(8);
      const id = `id-${random.below(20)}`;
      const isKnown = (entry: { id: string; atMs: number }): boolean =>
        entry.id === id && entry.atMs + windowMs > nowMs;
      expect(window.find(id, nowMs)).toBe(list.find(isKnown)?.offset ?? 0);
      if (random.chance(0.7)) {
        window.remember(id, step, nowMs);
        list = [...list.filter((entry) => entry.id !== id), { id, offset: step, atMs: nowMs }];
        list = list.slice(-maxKeys);
      }
      expect(window.size).toBeLessThanOrEqual(maxKeys);
    }
  });
});
