import { describe, expect, test } from "bun:test";

import { DebugRules, MAX_TRACE_RULES } from "../../../broker/tracing/debug-rules.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const NOBODY = { channel: null, user: null, connection: null, ttlMs: 1000 };

describe("rules of what to trace", () => {
  test("fit when all that is given fits", () => {
    const rules = new DebugRules(new VirtualClock());
    expect(rules.matches("a.b", "c_1", "ann")).toBeFalse();
    rules.add({ ...NOBODY, channel: "a.*", user: "ann" });
    expect(rules.matches("a.b", "c_1", "ann")).toBeTrue();
    expect(rules.matches("a.b", "c_1", "bob")).toBeFalse();
    expect(rules.matches("b.b", "c_1", "ann")).toBeFalse();
    rules.add({ ...NOBODY, connection: "c_2" });
    expect(rules.matches("x", "c_2", null)).toBeTrue();
    expect(rules.matches("x", null, null)).toBeFalse();
  });

  test("end by themselves, and by their id", () => {
    const clock = new VirtualClock();
    const rules = new DebugRules(clock);
    rules.add({ ...NOBODY, channel: "a", ttlMs: 500 });
    const { id } = rules.add({ ...NOBODY, channel: "b", ttlMs: 900_000 });
    clock.advance(501);
    expect(rules.matches("a", null, null)).toBeFalse();
    expect(rules.list()).toHaveLength(1);
    expect(rules.remove("none")).toBeFalse();
    expect(rules.remove(id)).toBeTrue();
    expect(rules.isAny).toBeFalse();
  });

  test("that say nothing, or too much, are refused", () => {
    const rules = new DebugRules(new VirtualClock());
    expect(() => rules.add(NOBODY)).toThrow("a channel, a user or a connection");
    expect(() => rules.add({ ...NOBODY, channel: "a..b" })).toThrow("not a valid pattern");
    expect(() => rules.add({ ...NOBODY, channel: "a", ttlMs: 900_001 })).toThrow("ttlMs");
    for (let i = 0; i < MAX_TRACE_RULES; i++) rules.add({ ...NOBODY, channel: "a" });
    expect(() => rules.add({ ...NOBODY, channel: "a" })).toThrow("32 rules already");
  });
});
