import { describe, expect, test } from "bun:test";

import type { LoadResult } from "../../bench/load/job.ts";
import { noFaults } from "../../bench/load/sequence-checker.ts";
import type { RedisCellResult } from "../../bench/redis/redis-cell.ts";
import { redisShapeNamed } from "../../bench/redis/redis-shapes.ts";
import type { HistoryKind } from "../../bench/redis/redis-shapes.ts";
import { summarizeRedis } from "../../bench/redis/redis-summary.ts";

/** Half a second in which 10 000 publications reached 100 subscribers each. */
function load(changes: Partial<LoadResult> = {}): LoadResult {
  return {
    deliveries: 1_000_000,
    elapsedMs: 500,
    brokerCpu: { userMs: 30, systemMs: 10 },
    subscribeCpu: { userMs: 300, systemMs: 100 },
    redis: { cpuMs: 20, commands: { evalsha: 500, publish: 501, xadd: 500 } },
    loadCpu: { userMs: 200, systemMs: 50 },
    othersCpuMs: 50,
    latency: null,
    lateness: null,
    faults: noFaults,
    ...changes,
  };
}

function cell(
  round: number,
  result: LoadResult | null,
  history: HistoryKind = "recoverable",
): RedisCellResult {
  const shape = redisShapeNamed("1:100");
  if (shape === null) throw new Error("there is no shape 1:100");
  const error = result === null ? "did not start" : null;
  return { cell: { round, shape, history, payloadBytes: 64 }, load: result, error };
}

describe("a group over Redis", () => {
  test("counts publications for Redis and node A, deliveries for node B", () => {
    const [group] = summarizeRedis([cell(1, load())]);
    expect(group).toMatchObject({ shape: "1:100", history: "recoverable", payloadBytes: 64 });
    expect(group?.publicationsPerSecond?.median).toBe(20_000);
    expect(group?.deliveriesPerSecond?.median).toBe(2_000_000);
    expect(group?.callsPerPublication?.median).toBe(501 / 10_000);
    expect(group?.redisUs?.median).toBe(2);
    expect(group?.publicationsPerCore?.median).toBe(500_000);
    expect(group?.publishUs?.median).toBe(4);
    expect(group?.deliverUs?.median).toBe(0.4);
    expect(group).toMatchObject({
      redisBusy: 0.04,
      publishBusy: 0.08,
      deliverBusy: 0.8,
      loadBusy: 0.5,
      othersBusy: 0.1,
      isDisturbed: false,
    });
  });

  test("is judged by the target of its kind, at the median of the rounds that ran", () => {
    const slow = load({ redis: { cpuMs: 50, commands: { publish: 1000 } } });
    const groups = summarizeRedis([
      cell(1, load()),
      cell(1, slow, "plain"),
      cell(2, null),
      cell(2, slow, "plain"),
      cell(3, load({ redis: { cpuMs: 20, commands: { evalsha: 300 } } })),
      cell(3, load(), "plain"),
    ]);
    const [recoverable, plain] = groups.map(({ verdicts }) => verdicts);
    expect(recoverable).toEqual([
      { what: "calls", median: (501 + 300) / 20_000, target: 1 / 16, isMet: true },
      { what: "publicationsPerCore", median: 500_000, target: 250_000, isMet: true },
    ]);
    expect(plain).toEqual([
      { what: "calls", median: 0.1, target: 1 / 16, isMet: false },
      { what: "publicationsPerCore", median: 200_000, target: 1_000_000, isMet: false },
    ]);
  });

  test("has no figure that could not be had, and says when the machine was busy", () => {
    const blind = load({ brokerCpu: null, subscribeCpu: null, redis: null, othersCpuMs: 400 });
    const [group] = summarizeRedis([cell(1, blind)]);
    expect(group).toMatchObject({
      callsPerPublication: null,
      redisUs: null,
      publishUs: null,
      deliverUs: null,
      redisBusy: null,
      verdicts: [],
      othersBusy: 0.8,
      isDisturbed: true,
    });
    const [failed] = summarizeRedis([cell(1, null)]);
    expect(failed).toMatchObject({ deliveriesPerSecond: null, verdicts: [] });
  });
});
