import { expect, test } from "bun:test";

import { createEmitRule } from "../../../broker/transforms/emit-rule.ts";

test("a channel may be emitted to from the channels of a binding that allows it, and from no other", () => {
  const mayEmit = createEmitRule([
    { channels: ["a.>", "b"], emit: ["out.*", "x"] },
    { channels: ["a.b"], emit: ["more.>"] },
    { channels: ["c"], emit: [] },
  ]);
  const allowed = [
    ["a.b", "out.1"],
    ["a.b", "x"],
    ["a.b", "more.1.2"],
    ["b", "out.1"],
  ] as const;
  const refused = [
    ["a.b", "out.1.2"],
    ["a.b", "secret"],
    ["a.c", "more.1"],
    ["b", "more.1"],
    ["c", "out.1"],
    ["d", "x"],
  ] as const;
  for (const [from, to] of allowed) expect([from, to, mayEmit(from, to)]).toEqual([from, to, true]);
  for (const [from, to] of refused)
    expect([from, to, mayEmit(from, to)]).toEqual([from, to, false]);
  expect(createEmitRule([])("a.b", "x")).toBe(false);
});
