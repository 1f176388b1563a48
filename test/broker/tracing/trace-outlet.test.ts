import { describe, expect, test } from "bun:test";

import { ClusterTime } from "../../../broker/tracing/cluster-time.ts";
import { TraceOutlet } from "../../../broker/tracing/trace-outlet.ts";
import { TraceStats } from "../../../broker/tracing/trace-stats.ts";
import { aTrace } from "../../support/a-trace.ts";
import { TraceCollector } from "../../support/traced-broker.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function outlet(): { outlet: TraceOutlet; clock: VirtualClock; collector: TraceCollector } {
  const clock = new VirtualClock();
  const collector = new TraceCollector();
  const time = new ClusterTime(clock);
  const stats = new TraceStats();
  return {
    outlet: new TraceOutlet({
      node: "n",
      clock,
      time,
      stats,
      sink: collector,
      tracesPerSecond: 10,
    }),
    clock,
    collector,
  };
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((a, b) => a + b, 0);
}

describe("where traces leave", () => {
  test("late ones share a burst of 100 and then 20 a second; the rest is counted by reason", () => {
    const { outlet: out, clock } = outlet();
    const admitted = (times: number): number =>
      Array.from({ length: times }, (_, i) =>
        out.admit((["slow", "error", "drop"] as const)[i % 3] ?? "slow"),
      ).filter(Boolean).length;
    expect(admitted(300)).toBe(100);
    clock.advance(1000);
    expect(admitted(300)).toBe(20);
    const { tracesByReason, suppressedByReason } = out.stats;
    expect(sum(tracesByReason)).toBe(120);
    expect(sum(suppressedByReason)).toBe(480);
    expect([...suppressedByReason.keys()].toSorted()).toEqual(["drop", "error", "slow"]);
    // Others have budgets of their own.
    expect(out.admit("upstream")).toBeTrue();
    expect(out.admit("head")).toBeTrue();
  });

  test("upstream ones are bounded to 100 a second", () => {
    const { outlet: out, clock } = outlet();
    while (out.admit("upstream"));
    clock.advance(1000);
    let admitted = 0;
    while (out.admit("upstream")) admitted++;
    expect(admitted).toBe(100);
  });

  test("those made by rate are bounded as configured, ten seconds of it at once", () => {
    const { outlet: out, clock } = outlet();
    const admitted = (): number =>
      Array.from({ length: 300 }, () => out.admit("head")).filter(Boolean).length;
    expect(admitted()).toBe(100);
    clock.advance(1000);
    expect(admitted()).toBe(10);
  });

  test("keeps the last 512, collected or not, and of each the parts that were made", () => {
    const { outlet: out, collector } = outlet();
    for (let i = 0; i < 600; i++) out.emit(aTrace({ traceId: String(i).padStart(32, "0") }));
    expect(out.recent.size).toBe(512);
    expect(out.recent.find("0".repeat(32))).toEqual([]);
    const last = "599".padStart(32, "0");
    out.emit(aTrace({ traceId: last, node: "again" }));
    expect(out.recent.find(last).map(({ node }) => node)).toEqual(["n", "again"]);
    expect(collector.traces).toHaveLength(601);
    expect(out.recent.newest(1)).toMatchObject([{ node: "again" }]);
  });
});
