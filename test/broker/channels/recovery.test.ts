import { describe, expect, test } from "bun:test";

import { planRecovery } from "../../../broker/channels/recovery.ts";
import type { StreamState } from "../../../broker/channels/recovery.ts";
import { announceSeed, Random } from "../../support/random.ts";

/** What a stream of these kept offsets hands out under a plan. */
function replayed(stream: StreamState, plan: { fromOffset: number; count: number }): number[] {
  return Array.from({ length: plan.count }, (_, i) => plan.fromOffset + i).map((offset) => {
    expect(offset).toBeGreaterThanOrEqual(stream.firstOffset);
    expect(offset).toBeLessThanOrEqual(stream.offset);
    return offset;
  });
}

function randomStream(random: Random): StreamState {
  const offset = random.below(40);
  return { epoch: "now", offset, firstOffset: offset + 1 - random.below(offset + 1) };
}

describe("recovery", () => {
  const seed = announceSeed("recovery");

  test("gives a position of this epoch exactly what follows it, or nothing when any of it is gone", () => {
    const random = new Random(seed);
    for (let round = 0; round < 5000; round++) {
      const stream = randomStream(random);
      const offset = random.below(45);
      const plan = planRecovery({ type: "position", position: { epoch: "now", offset } }, stream);
      const missed: number[] = [];
      for (let next = offset + 1; next <= stream.offset; next++) missed.push(next);
      const isPossible =
        offset <= stream.offset && missed.every((next) => next >= stream.firstOffset);
      expect(plan.recovered).toBe(isPossible);
      expect(replayed(stream, plan)).toEqual(isPossible ? missed : []);
    }
  });

  test("gives a position of another epoch nothing", () => {
    const random = new Random(seed);
    for (let round = 0; round < 500; round++) {
      const stream = randomStream(random);
      const position = { epoch: "then", offset: random.below(45) };
      const plan = planRecovery({ type: "position", position }, stream);
      expect(plan).toMatchObject({ recovered: false, count: 0 });
    }
  });

  test("continues a position of the epoch before, up to where the two part and no further", () => {
    const random = new Random(seed);
    for (let round = 0; round < 3000; round++) {
      const forkOffset = random.below(30);
      const parent = { epoch: "then", forkOffset };
      const offset = forkOffset + random.below(20);
      const firstOffset = offset + 1 - random.below(offset + 1);
      const stream = { epoch: "now", parent, offset, firstOffset };
      const position = { epoch: "then", offset: random.below(50) };
      const plan = planRecovery({ type: "position", position }, stream);
      const isShared = position.offset <= forkOffset;
      const isKept = position.offset + 1 >= firstOffset;
      expect(plan.recovered).toBe(isShared && isKept);
      expect(plan.count).toBe(plan.recovered ? offset - position.offset : 0);
      const elsewhere = { epoch: "another", offset: position.offset };
      const other = planRecovery({ type: "position", position: elsewhere }, stream);
      expect(other).toMatchObject({ recovered: false, count: 0 });
    }
  });

  test("gives the newest n, as many as there are, and never calls that recovered", () => {
    const random = new Random(seed);
    for (let round = 0; round < 2000; round++) {
      const stream = randomStream(random);
      const count = random.below(50);
      const plan = planRecovery({ type: "last", count }, stream);
      const kept: number[] = [];
      for (let next = stream.firstOffset; next <= stream.offset; next++) kept.push(next);
      expect(plan.recovered).toBe(false);
      expect(replayed(stream, plan)).toEqual(count === 0 ? [] : kept.slice(-count));
    }
  });

  test("gives nothing when nothing is asked for", () => {
    const plan = planRecovery({ type: "none" }, { epoch: "now", offset: 9, firstOffset: 1 });
    expect(plan).toEqual({ recovered: false, fromOffset: 10, count: 0 });
  });
});
