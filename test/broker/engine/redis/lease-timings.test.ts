import { expect, test } from "bun:test";

import { leaseTimings } from "../../../../broker/engine/redis/lease-timings.ts";

const GONE_WITHIN_MS = 15_000;

test("a node that crashed is gone for readers within 15 s", () => {
  const { leaseMs, viewMs } = leaseTimings();
  expect(leaseMs + viewMs).toBeLessThan(GONE_WITHIN_MS);
});

test("two renewals may fail, and a dead node's entries outlast everybody's next renewal", () => {
  for (const timings of [leaseTimings(), leaseTimings(900)]) {
    const { leaseMs, renewMs, graceMs, retryMs, viewMs } = timings;
    expect(leaseMs).toBeGreaterThanOrEqual(3 * renewMs);
    expect(graceMs).toBeGreaterThan(renewMs + retryMs);
    expect(viewMs).toBeLessThan(renewMs);
  }
});
