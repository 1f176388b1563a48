import { describe, expect, test } from "bun:test";

import { DeliveryChecker, NO_VIOLATIONS, violationsOf } from "./delivery-checker.ts";

/** A subscriber from the beginning, and publications acknowledged at these offsets of an epoch. */
function checkerWith(...acked: readonly [epoch: string, offset: number][]): DeliveryChecker {
  const checker = new DeliveryChecker();
  checker.began("s", "c", { epoch: "A", offset: 0 });
  for (const [epoch, offset] of acked) {
    checker.acknowledged("c", { epoch, offset }, `p:${epoch}${offset}`.replace(/[A-Z]/, ""));
  }
  return checker;
}

describe("the checker of deliveries", () => {
  test("finds nothing where everything came in order", () => {
    const checker = checkerWith(["A", 1], ["A", 2]);
    checker.delivered("s", "c", 1, "p:1");
    checker.delivered("s", "c", 2, "p:2");
    const figures = checker.figures();
    expect(violationsOf(figures)).toEqual(NO_VIOLATIONS);
    expect(figures).toMatchObject({ acked: 2, delivered: 2, resynced: 0, lost: 0 });
  });

  test("finds what is missing at the end, in the middle, and of an epoch nobody was told of", () => {
    const atEnd = checkerWith(["A", 1], ["A", 2]);
    atEnd.delivered("s", "c", 1, "p:1");
    expect(atEnd.figures()).toMatchObject({ silent: 1, lost: 0 });

    const inTheMiddle = checkerWith(["A", 1], ["A", 2]);
    inTheMiddle.delivered("s", "c", 2, "p:2");
    expect(inTheMiddle.figures()).toMatchObject({ silent: 1, lost: 0 });

    const ofAnother = checkerWith(["B", 1]);
    expect(ofAnother.figures()).toMatchObject({ silent: 1, lost: 0 });
  });

  test("counts what lies in a break that was told as lost, and no more than that", () => {
    const checker = checkerWith(["A", 1], ["A", 2], ["A", 3], ["A", 4]);
    checker.delivered("s", "c", 1, "p:1");
    checker.began("s", "c", { epoch: "A", offset: 2 });
    checker.delivered("s", "c", 3, "p:3");
    expect(checker.figures()).toMatchObject({ silent: 1, lost: 1, resynced: 1 });
  });

  test("counts what a failover erased as rolled back where the epoch tells it", () => {
    const checker = checkerWith(["A", 1], ["A", 2], ["B", 2]);
    checker.delivered("s", "c", 1, "p:1");
    checker.continued("s", "c", { epoch: "B", offset: 1 });
    checker.delivered("s", "c", 2, "p:2");
    expect(checker.figures()).toMatchObject({ silent: 0, rolledBack: 1, mismatched: 0 });
  });

  test("finds what comes twice, also with another offset, but not across a break that was told", () => {
    const checker = checkerWith();
    checker.delivered("s", "c", 1, "p:1");
    checker.delivered("s", "c", 1, "p:1");
    checker.delivered("s", "c", 2, "p:1");
    expect(checker.figures().doubled).toBe(2);
    checker.began("s", "c", { epoch: "B", offset: 0 });
    checker.delivered("s", "c", 1, "p:1");
    expect(checker.figures().doubled).toBe(2);
  });

  test("finds inversions, what was refused and came, and positions that hold two things", () => {
    const checker = checkerWith(["A", 1]);
    checker.refused("c", "p:7");
    checker.delivered("s", "c", 1, "p:8");
    checker.delivered("s", "c", 2, "p:7");
    expect(checker.figures()).toMatchObject({ inverted: 1, ghosts: 1, mismatched: 1 });
  });

  test("expects nothing of what was published before the subscription", () => {
    const checker = new DeliveryChecker();
    checker.began("s", "c", { epoch: "A", offset: 5 });
    checker.acknowledged("c", { epoch: "A", offset: 5 }, "p:5");
    expect(violationsOf(checker.figures())).toEqual(NO_VIOLATIONS);
  });
});
