import { expect, test } from "bun:test";

import { Op } from "../../protocol/op.ts";
import { decodeServerFrame } from "../../protocol/push.ts";

test("a frame of an op this version does not know is skipped", () => {
  for (const op of [0, Op.connect, Op.receipt, 31, 46, 63, 1000]) {
    expect(decodeServerFrame([op, 1, 2])).toBeNull();
  }
});

test("an op that is no number is a bad frame", () => {
  for (const op of [undefined, null, "pong", [42]]) {
    expect(() => decodeServerFrame([op])).toThrow(
      expect.objectContaining({ info: expect.objectContaining({ name: "bad_frame" }) }),
    );
  }
});

test("fields of tomorrow at the end of a frame are ignored", () => {
  expect(decodeServerFrame([Op.drain, 500, "soon", null])).toEqual({
    type: "drain",
    windowMs: 500,
  });
  expect(decodeServerFrame([Op.pong, 1, 2, 3, 4])).toEqual({
    type: "pong",
    id: 1,
    clientTimeMs: 2,
    serverTimeMs: 3,
  });
});

test("an error with a code of tomorrow is read like any other", () => {
  expect(decodeServerFrame([Op.error, 1, 4177, "of_tomorrow", "text", 5])).toEqual({
    type: "error",
    id: 1,
    code: 4177,
    name: "of_tomorrow",
    message: "text",
    retryAfterMs: 5,
  });
});
