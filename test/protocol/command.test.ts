import { describe, expect, test } from "bun:test";

import { decodeCommand } from "../../protocol/command.ts";
import { Op } from "../../protocol/op.ts";

/** What the error of a frame says it belongs to. */
function refusal(frame: readonly unknown[]): unknown {
  try {
    decodeCommand(frame);
  } catch (error) {
    return error;
  }
  return null;
}

describe("the request id of an error", () => {
  const withId = Object.entries(Op).filter(([name, op]) => op < 32 && name !== "receipt");

  test.each(withId)("is field 1 of a %s", (name, op) => {
    const error = refusal([op, 77]);
    // A ping needs no more than its id.
    if (name === "ping") expect(error).toBeNull();
    else expect(error).toMatchObject({ info: { name: "bad_field" }, requestId: 77 });
  });

  test("is field 1 of an op this version does not know", () => {
    for (const op of [0, 11, 31, 32, 33, 64, -1, 1.5, 2 ** 40]) {
      expect(refusal([op, 77])).toMatchObject({ info: { name: "unknown_op" }, requestId: 77 });
    }
  });

  test("is 0 for a receipt, whose field 1 is a channel id", () => {
    expect(refusal([Op.receipt, 77])).toMatchObject({ info: { name: "bad_field" }, requestId: 0 });
  });

  test("is 0 when there is none that can be read", () => {
    for (const id of [undefined, null, "7", -1, 1.5, 2 ** 32, Number.NaN, true, [7]]) {
      expect(refusal([Op.subscribe, id, "a"])).toMatchObject({ requestId: 0 });
    }
  });

  test("is 4294967295 at most", () => {
    expect(refusal([Op.subscribe, 0xffff_ffff])).toMatchObject({ requestId: 0xffff_ffff });
  });
});

test("an error names the op and the field", () => {
  expect(refusal([Op.subscribe, 1, 5])).toMatchObject({
    message: "subscribe: channel must be a string",
  });
  expect(refusal([99, 1])).toMatchObject({ message: expect.stringContaining("op 99") });
});

test("an op that is no number loses the connection, as nothing else does", () => {
  for (const op of [undefined, null, "ping", true, [6], new Uint8Array(1)]) {
    expect(refusal([op, 1])).toMatchObject({ isFatal: true, info: { name: "bad_frame" } });
  }
  expect(refusal([Number.NaN, 1])).toMatchObject({ isFatal: false });
});
