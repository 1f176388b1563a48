import { expect, test } from "bun:test";

import { ApiKeys } from "../../../broker/auth/api-keys.ts";

test("exactly the configured keys are known", () => {
  const keys = new ApiKeys(["0123456789abcdef", "fedcba9876543210"]);
  expect(keys.isEmpty).toBe(false);
  expect(keys.has("0123456789abcdef")).toBe(true);
  expect(keys.has("fedcba9876543210")).toBe(true);
  for (const wrong of [
    "",
    "0123456789abcde",
    "0123456789abcdef0",
    "0123456789ABCDEF",
    "x".repeat(5000),
  ]) {
    expect(keys.has(wrong)).toBe(false);
  }
});

test("without keys nothing is known, not even nothing", () => {
  const keys = new ApiKeys([]);
  expect(keys.isEmpty).toBe(true);
  expect(keys.has("")).toBe(false);
});
