import { expect, test } from "bun:test";

import { decodePayload, jsonOf, msgpackOf } from "../../../workers/runtime/payload.ts";

test.each([{ seq: 1 }, { list: [1, 2] }, "a text of more than 31 characters, as str 8", 1.5])(
  "msgpack of %p read as JSON says what would read it",
  (value) => {
    const bytes = msgpackOf(value);
    expect(() => jsonOf(bytes, 0, bytes.length)).toThrow(
      new SyntaxError("the payload is no JSON; decode() reads msgpack too"),
    );
    expect(decodePayload(bytes, 0, bytes.length)).toEqual(value);
  },
);

test("text that is no JSON keeps the parser's words", () => {
  const bytes = Buffer.from("nope");
  expect(() => jsonOf(bytes, 0, bytes.length)).toThrow(/nope/);
});
