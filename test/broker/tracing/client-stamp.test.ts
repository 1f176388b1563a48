import { describe, expect, test } from "bun:test";

import { clientSentMs, MAX_CLIENT_SEND_MS } from "../../../broker/tracing/client-stamp.ts";
import { ClusterTime } from "../../../broker/tracing/cluster-time.ts";
import { TraceStats } from "../../../broker/tracing/trace-stats.ts";
import { announceSeed, Random } from "../../support/random.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** A node, and when it took something in. */
function node() {
  const clock = new VirtualClock();
  const time = new ClusterTime(clock);
  const stats = new TraceStats();
  return { clock, time, stats, receivedMs: time.nowMs() };
}

describe("when a client says to have published something", () => {
  test("counts as it is where it can be, with its fractions", () => {
    const { receivedMs, ...outlet } = node();
    for (const tookMs of [0, 0.25, 40.5, MAX_CLIENT_SEND_MS]) {
      expect(clientSentMs(receivedMs - tookMs, receivedMs, outlet)).toBe(receivedMs - tookMs);
    }
    expect(outlet.stats.clockNegative).toBe(0);
  });

  test("is not known when it does not say", () => {
    const { receivedMs, ...outlet } = node();
    expect(clientSentMs(null, receivedMs, outlet)).toBe(0);
    expect(outlet.stats.clockNegative).toBe(0);
  });

  test("is the moment it came in where the client's clock is ahead by no more than the doubt", () => {
    const { receivedMs, ...outlet } = node();
    expect(clientSentMs(receivedMs + 5, receivedMs, outlet)).toBe(receivedMs);
    expect(outlet.stats.clockNegative).toBe(0);
  });

  test.each([NaN, Infinity, -Infinity, -1, 0, 6, 3_600_000, -MAX_CLIENT_SEND_MS - 1])(
    "counts for nothing and is counted when it cannot be: %d",
    (told) => {
      const { receivedMs, ...outlet } = node();
      const isRelative = Math.abs(told) > 1 && Number.isFinite(told);
      expect(clientSentMs(isRelative ? receivedMs + told : told, receivedMs, outlet)).toBe(0);
      expect(outlet.stats.clockNegative).toBe(1);
    },
  );

  test("is by the wall clock of this node, and told on by the clock of all", () => {
    const { clock, time, stats } = node();
    // Redis is an hour ahead of this machine.
    time.sampled(clock.nowMs(), clock.nowMs(), clock.wallMs() + 3_600_000);
    const receivedMs = time.nowMs();
    const sentMs = clientSentMs(clock.wallMs() - 40, receivedMs, { time, stats });
    expect(receivedMs - sentMs).toBeCloseTo(40, 3);
    expect(stats.clockNegative).toBe(0);
  });

  test("never moves the beginning of a trace by more than the bound", () => {
    const random = new Random(announceSeed("client stamp"));
    const { receivedMs, ...outlet } = node();
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      const told = receivedMs + (random.below(4_000_000) - 2_000_000) / random.below(50);
      const sentMs = clientSentMs(told, receivedMs, outlet);
      if (sentMs === 0) refused++;
      else {
        expect(sentMs).toBeLessThanOrEqual(receivedMs);
        expect(sentMs).toBeGreaterThanOrEqual(receivedMs - MAX_CLIENT_SEND_MS);
      }
    }
    expect(outlet.stats.clockNegative).toBe(refused);
    expect(refused).toBeGreaterThan(0);
  });
});
