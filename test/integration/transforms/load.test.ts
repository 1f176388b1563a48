import { expect, test } from "bun:test";

import { loadViolations } from "./load.ts";
import type { Sent } from "./load.ts";

function sent(number: number, outcome: Sent["outcome"], publisher = 0): Sent {
  return { channel: "a", publisher, number, text: `<${publisher}-${number}>`, outcome };
}

function violations(all: readonly Sent[], ...stored: string[]): string[] {
  return loadViolations(all, new Map([["a", stored]]));
}

const GOOD = [
  sent(0, { offset: 1 }),
  sent(1, { offset: 2 }),
  sent(2, { code: 4110 }),
  sent(3, null),
];

test("what is as it must be is no violation, whatever became of an unknown outcome", () => {
  expect(violations(GOOD, "<0-0>", "<0-1>")).toEqual([]);
  expect(violations(GOOD, "<0-0>", "<0-1>", "<0-3>")).toEqual([]);
  expect(violations([...GOOD, sent(0, { offset: 3 }, 1)], "<0-0>", "<0-1>", "<1-0>")).toEqual([]);
});

test("loss, doubling, reordering, a wrong place and a refusal that is stored are violations", () => {
  expect(violations(GOOD, "<0-0>")).toEqual(["a: <0-1> is not at 2"]);
  expect(violations(GOOD, "<0-0>", "<0-1>", "<0-1>")).toContain("a: doubled");
  expect(violations(GOOD, "<0-1>", "<0-0>")).toContain("a: <0-0>");
  expect(violations(GOOD, "<0-0>", "<0-1>", "<0-2>")).toEqual(["a: refused <0-2> is stored"]);
});
