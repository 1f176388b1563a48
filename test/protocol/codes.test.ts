import { describe, expect, test } from "bun:test";

import { Code, codeInfo, retryAdvice } from "../../protocol/codes.ts";
import type { CodeInfo } from "../../protocol/codes.ts";
import { MAX_CLOSE_REASON_BYTES } from "../../protocol/limits.ts";

const entries: [string, CodeInfo][] = Object.entries(Code);
const codes = entries.map(([, info]) => info);

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

test("numbers are unique", () => {
  expect(new Set(codes.map(({ code }) => code)).size).toBe(codes.length);
});

test("names are unique", () => {
  expect(new Set(codes.map(({ name }) => name)).size).toBe(codes.length);
});

describe.each(entries)("%s", (key, info) => {
  test("has its key in snake case as its name", () => {
    expect(info.name).toBe(snakeCase(key));
  });

  test("has a number in one of the three ranges, which a WebSocket may close with", () => {
    expect(info.code).toBeGreaterThanOrEqual(4000);
    expect(info.code).toBeLessThan(4300);
    expect(Number.isInteger(info.code)).toBe(true);
  });

  test("has a text that fits a close reason and is plain ASCII", () => {
    expect(info.text).toMatch(/^[\x20-\x7e]+$/);
    expect(info.text.length).toBeLessThanOrEqual(MAX_CLOSE_REASON_BYTES);
  });

  test("has an HTTP status of an error", () => {
    expect(info.httpStatus).toBeGreaterThanOrEqual(400);
    expect(info.httpStatus).toBeLessThan(600);
  });

  test("is found by its number and cannot be changed", () => {
    expect(codeInfo(info.code)).toBe(info);
    expect(Object.isFrozen(info)).toBe(true);
  });
});

test("a number of no code is not found", () => {
  for (const code of [0, 1000, 3999, 4099, 4300, Number.NaN]) {
    expect(codeInfo(code)).toBeUndefined();
  }
});

test.each([
  [3999, "backoff"],
  [4000, "never"],
  [4099, "never"],
  [4100, "backoff"],
  [4199, "backoff"],
  [4200, "now"],
  [4299, "now"],
  [4300, "backoff"],
  [1000, "backoff"],
  [1006, "backoff"],
  [1009, "backoff"],
] as const)("code %i advises: %s, known or not", (code, advice) => {
  expect(retryAdvice(code)).toBe(advice);
});
