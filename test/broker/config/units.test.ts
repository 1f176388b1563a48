import { describe, expect, test } from "bun:test";

import {
  formatBytes,
  formatMs,
  parseDurationMs,
  parseSizeBytes,
} from "../../../broker/config/units.ts";

describe("durations", () => {
  test.each([
    ["250ms", 250],
    ["10s", 10_000],
    ["1.5s", 1500],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["2d", 172_800_000],
    [" 10 s ", 10_000],
  ])("%j is %d ms", (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  test.each([
    "",
    "10",
    "s",
    "10x",
    "10 min",
    "-5s",
    "1e3s",
    "5S",
    "10s5",
    "constructor",
    "1toString",
  ])("%j is none", (text) => {
    expect(parseDurationMs(text)).toBeNull();
  });

  test.each([
    [0, "0"],
    [250, "250 ms"],
    [1500, "1500 ms"],
    [10_000, "10 s"],
    [300_000, "5 min"],
    [86_400_000, "1 d"],
  ])("%d ms is written %s", (ms, text) => {
    expect(formatMs(ms)).toBe(text);
  });
});

describe("sizes", () => {
  test.each([
    ["512B", 512],
    ["64KiB", 65_536],
    ["4 MiB", 4_194_304],
    ["1GiB", 1_073_741_824],
    ["1KB", 1000],
    ["2MB", 2_000_000],
  ])("%j is %d bytes", (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
  });

  test.each(["", "64", "64kib", "64K", "KiB", "-1B", "valueOf"])("%j is none", (text) => {
    expect(parseSizeBytes(text)).toBeNull();
  });

  test.each([
    [0, "0"],
    [1000, "1000 B"],
    [65_536, "64 KiB"],
    [64_512, "63 KiB"],
    [4_194_304, "4 MiB"],
    [1_073_741_824, "1 GiB"],
  ])("%d bytes are written %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
