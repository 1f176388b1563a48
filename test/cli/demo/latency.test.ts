import { expect, test } from "bun:test";

import { LatencyRecorder, RateMeter } from "../../../cli/demo/latency.ts";
import { SendLog } from "../../../cli/demo/send-log.ts";

test("percentiles are those of the newest samples", () => {
  const recorder = new LatencyRecorder();
  expect(recorder.percentiles([0.5])).toBeNull();
  for (let i = 100; i >= 1; i--) recorder.record(i);
  expect(recorder.percentiles([0, 0.5, 0.99, 1])).toEqual([1, 51, 100, 100]);
  for (let i = 0; i < 10_000; i++) recorder.record(7);
  expect(recorder.percentiles([0, 1])).toEqual([7, 7]);
});

test("a rate is that of the last whole second, and falls to nothing after it", () => {
  const meter = new RateMeter();
  for (let ms = 0; ms < 5000; ms += 10) meter.add(ms, 3);
  expect(meter.perSecond(5000)).toBe(300);
  expect(meter.perSecond(5550)).toBe(150);
  expect(meter.perSecond(6100)).toBe(0);
  expect(meter.perSecond(1e9)).toBe(0);
});

test("the n-th publication of a channel is found by its offset, as long as it is remembered", () => {
  const log = new SendLog();
  for (let i = 1; i <= 200_000; i++) log.sent("a", 1, i);
  log.sent("b", 1, 7);
  expect(log.timeOf("a", 200_000)).toBe(200_000);
  expect(log.timeOf("a", 100_000)).toBe(100_000);
  expect(log.timeOf("a", 1)).toBeNull();
  expect(log.timeOf("a", 200_001)).toBeNull();
  expect(log.timeOf("b", 1)).toBe(7);
  expect(log.timeOf("c", 1)).toBeNull();
  expect([log.countOf("a"), log.countOf("c"), log.count]).toEqual([200_000, 0, 200_001]);
});
