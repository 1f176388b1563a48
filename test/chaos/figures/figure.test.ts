import { expect, test } from "bun:test";

import { figureLine, isHeld } from "./figure.ts";

const FIGURE = { name: "gap healed", how: "by hand", unit: "ms", target: 50 } as const;

test("a figure is held when the highest sample is within its target, or the median where that is meant", () => {
  expect(isHeld({ ...FIGURE, samples: [1, 50, 2] })).toBe(true);
  expect(isHeld({ ...FIGURE, samples: [1, 51, 2] })).toBe(false);
  expect(isHeld({ ...FIGURE, samples: [1, 51, 2], targetOf: "median" })).toBe(true);
  expect(isHeld({ ...FIGURE, samples: [51, 51, 2], targetOf: "median" })).toBe(false);
  expect(isHeld({ ...FIGURE, samples: [] })).toBe(false);
});

test("a figure reads with its spread, its count and its verdict", () => {
  expect(figureLine({ ...FIGURE, samples: [3, 1, 2] })).toBe(
    "gap healed: median 2.0, 1.0 to 3.0 ms (3 times; by hand); target, highest: 50 ms, held",
  );
  expect(figureLine({ ...FIGURE, samples: [101], unit: "reads" })).toBe(
    "gap healed: 101 reads (once; by hand); target, highest: 50 reads, MISSED",
  );
});
