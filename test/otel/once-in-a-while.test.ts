import { expect, test } from "bun:test";

import { OnceInAWhile } from "../../otel/once-in-a-while.ts";

test("the first goes through, then one per interval with the number of those held back", () => {
  let nowMs = 1000;
  const often = new OnceInAWhile(60_000, () => nowMs);
  expect(often.pass("a")).toBe(0);
  expect([often.pass("a"), often.pass("a")]).toEqual([null, null]);
  expect(often.pass("b")).toBe(0);
  nowMs += 59_999;
  expect(often.pass("a")).toBeNull();
  nowMs += 1;
  expect(often.pass("a")).toBe(3);
  expect(often.pass("a")).toBeNull();
  nowMs += 600_000;
  expect(often.pass("a")).toBe(1);
  expect(often.pass("b")).toBe(0);
});
