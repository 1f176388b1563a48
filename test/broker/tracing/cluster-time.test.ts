import { describe, expect, test } from "bun:test";

import { ClusterTime } from "../../../broker/tracing/cluster-time.ts";

/** A clock whose times a test sets; the wall clock shows whole ms, as Date.now does. */
class SetClock {
  monotonicMs = 5000;
  wallAheadMs = 1_800_000_000_000.4;

  nowMs(): number {
    return this.monotonicMs;
  }

  wallMs(): number {
    return Math.floor(this.monotonicMs + this.wallAheadMs);
  }
}

/** The common clock answers after this long each way. */
function ask(
  clock: SetClock,
  time: ClusterTime,
  aheadMs: number,
  wayMs: readonly [number, number],
): void {
  const asked = clock.monotonicMs;
  clock.monotonicMs += wayMs[0];
  const common = clock.monotonicMs + aheadMs;
  clock.monotonicMs += wayMs[1];
  time.sampled(asked, clock.monotonicMs, common);
}

const AHEAD = 1_800_000_000_250;

describe("the clock all nodes share", () => {
  test("is this machine's while nobody else's is known", () => {
    const clock = new SetClock();
    const time = new ClusterTime(clock);
    expect(Math.abs(time.nowMs() - (clock.monotonicMs + clock.wallAheadMs))).toBeLessThan(1);
    expect(time.uncertaintyMs).toBe(0);
    expect(time.toMonotonic(time.at(1234))).toBeCloseTo(1234, 3);
  });

  test("is Redis's from the first answer on, and as sure as half its round trip", () => {
    const clock = new SetClock();
    const time = new ClusterTime(clock);
    ask(clock, time, AHEAD, [4, 4]);
    expect(time.at(0)).toBeCloseTo(AHEAD, 3);
    expect(time.uncertaintyMs).toBe(4);
    expect(time.wallErrorMs).toBeCloseTo(250, -1);
  });

  test("is no surer than it is near: a better answer is followed slowly, and doubted until then", () => {
    const clock = new SetClock();
    const time = new ClusterTime(clock);
    ask(clock, time, AHEAD, [9, 1]);
    ask(clock, time, AHEAD, [0.1, 0.1]);
    for (let second = 0; second < 20; second++) {
      expect(Math.abs(time.at(0) - AHEAD)).toBeLessThanOrEqual(time.uncertaintyMs + 1e-3);
      clock.monotonicMs += 1000;
      time.adjust();
    }
    expect(time.uncertaintyMs).toBeCloseTo(0.1, 3);
  });

  test("trusts the quickest answer: a detour shifts it by no more than was said", () => {
    const clock = new SetClock();
    const time = new ClusterTime(clock);
    ask(clock, time, AHEAD, [0.1, 0.1]);
    for (let i = 0; i < 10; i++) ask(clock, time, AHEAD, [1, 90]);
    time.adjust();
    expect(time.uncertaintyMs).toBeCloseTo(0.1, 6);
    expect(Math.abs(time.at(0) - AHEAD)).toBeLessThan(0.11);
  });

  test("follows a clock that moves slowly, without a jump", () => {
    const clock = new SetClock();
    const time = new ClusterTime(clock);
    ask(clock, time, AHEAD, [1, 1]);
    for (let i = 0; i < 16; i++) ask(clock, time, AHEAD + 20, [0.5, 0.5]);
    const before = time.at(0);
    expect(Math.abs(before - AHEAD)).toBeLessThan(1);
    clock.monotonicMs += 1000;
    time.adjust();
    expect(time.at(0) - before).toBeCloseTo(0.5, 1);
    clock.monotonicMs += 60_000;
    time.adjust();
    expect(time.at(0)).toBeCloseTo(AHEAD + 20, 3);
  });

  test("jumps when it is off by more than a second: another server's clock", () => {
    const clock = new SetClock();
    const time = new ClusterTime(clock);
    ask(clock, time, AHEAD, [1, 1]);
    for (let i = 0; i < 16; i++) ask(clock, time, AHEAD + 5000, [0.5, 0.5]);
    expect(time.at(0)).toBeCloseTo(AHEAD + 5000, 3);
  });

  test("forgets samples that are too old to say anything", () => {
    const clock = new SetClock();
    const time = new ClusterTime(clock);
    ask(clock, time, AHEAD, [0.1, 0.1]);
    clock.monotonicMs += 700_000;
    ask(clock, time, AHEAD, [3, 3]);
    expect(time.uncertaintyMs).toBe(3);
  });
});
