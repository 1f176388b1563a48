import { expect, test } from "bun:test";

import { Op, opName } from "../../protocol/op.ts";

const ops = Object.values(Op);

test("ops are unique, commands are 1-31 and the broker's are 32-63", () => {
  expect(new Set(ops).size).toBe(ops.length);
  const { receipt, connected } = Op;
  for (const op of ops) {
    expect(op).toBeGreaterThan(0);
    expect(op).toBeLessThan(64);
    expect(op <= receipt ? op < 32 : op >= connected).toBe(true);
  }
});

test("an op has its name, and a number that is none is told as it is", () => {
  expect(opName(Op.subscribe)).toBe("subscribe");
  expect(opName(99)).toBe("op 99");
});
