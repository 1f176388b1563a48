import { expect, test } from "bun:test";

import { decodeWith, encodePayload } from "../../client/value-codec.ts";
import { thrown } from "../support/client-events.ts";

const utf8 = new TextEncoder();

test("bytes pass as they are, whatever the named encoding", () => {
  const bytes = Uint8Array.of(1, 2);
  for (const encoding of ["value", "json", "text"] as const) {
    expect(encodePayload(bytes, encoding)).toBe(bytes);
  }
});

test("each named way reads what it writes", () => {
  const value = { a: [1, "é"] };
  for (const way of ["value", "json"] as const) {
    expect(decodeWith(way)(encodePayload(value, way).slice())).toEqual(value);
  }
  expect(decodeWith("text")(encodePayload("\ufeffgrüß", "text"))).toBe("\ufeffgrüß");
  expect(decodeWith("bytes")(Uint8Array.of(7))).toEqual(Uint8Array.of(7));
});

test("text is what String makes of a value", () => {
  expect(encodePayload(12.5, "text")).toEqual(utf8.encode("12.5"));
});

test("a function of the application gets everything, bytes as well", () => {
  const bytes = Uint8Array.of(1, 2);
  expect(encodePayload(bytes, (value) => (value as Uint8Array).toReversed())).toEqual(
    Uint8Array.of(2, 1),
  );
});

test("what cannot be encoded is a coded error with its cause", () => {
  expect(thrown(() => encodePayload(() => 1, "value"))).toMatchObject({
    code: "encode_failed",
    retry: "never",
  });
  expect(thrown(() => encodePayload(undefined, "json")).code).toBe("encode_failed");
  expect(thrown(() => encodePayload(1n, "json")).cause).toBeInstanceOf(TypeError);
  const cause = new Error("mine");
  const fails = (): Uint8Array => {
    throw cause;
  };
  expect(thrown(() => encodePayload(1, fails)).cause).toBe(cause);
});

test("an encode function that gives no bytes is found out", () => {
  const wrong = (() => "text") as unknown as (value: unknown) => Uint8Array;
  expect(thrown(() => encodePayload(1, wrong)).code).toBe("encode_failed");
});
