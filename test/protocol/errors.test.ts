import { expect, test } from "bun:test";

import { Code } from "../../protocol/codes.ts";
import { badField, badFrame, ProtocolError } from "../../protocol/errors.ts";

test("a bad frame is fatal and belongs to no request", () => {
  const error = badFrame("cut short");
  expect(error).toBeInstanceOf(ProtocolError);
  expect(error.info).toBe(Code.badFrame);
  expect(error.isFatal).toBe(true);
  expect(error.requestId).toBe(0);
  expect(error.message).toBe("cut short");
});

test("a bad field is not fatal and carries the request it belongs to", () => {
  const error = badField("id must be an integer", 7);
  expect(error.info).toBe(Code.badField);
  expect(error.isFatal).toBe(false);
  expect(error.requestId).toBe(7);
  expect(badField("x").requestId).toBe(0);
});

test("an error is an Error of its own name", () => {
  const error = new ProtocolError(Code.unknownOp, "op 99");
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe("ProtocolError");
  expect([error.isFatal, error.requestId]).toEqual([false, 0]);
});
