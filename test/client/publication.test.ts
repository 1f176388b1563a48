import { expect, test } from "bun:test";

import { Publication } from "../../client/publication.ts";
import { decodeWith } from "../../client/value-codec.ts";
import { thrown } from "../support/client-events.ts";

const delivery = {
  channel: "a.b",
  offset: 7,
  epoch: "e",
  meta: null,
  source: Uint8Array.of(0xff, 0x2a, 0xff),
  start: 1,
  end: 2,
};

test("it is decoded when first asked for, and once", () => {
  let calls = 0;
  const publication = new Publication(delivery, (bytes) => {
    calls++;
    return { first: bytes[0] };
  });
  expect(calls).toBe(0);
  expect(publication.data).toEqual({ first: 0x2a });
  expect(publication.data).toBe(publication.data);
  expect(calls).toBe(1);
});

test("a payload that decodes to nothing is decoded once as well", () => {
  let calls = 0;
  const publication = new Publication(delivery, () => void calls++);
  expect(publication.data).toBeUndefined();
  expect(publication.data).toBeUndefined();
  expect(calls).toBe(1);
});

test("a payload that cannot be decoded is an error when asked for, and its bytes are there", () => {
  const publication = new Publication({ ...delivery, end: 3 }, decodeWith("value"));
  const error = thrown(() => publication.data);
  expect(error).toMatchObject({ code: "decode_failed" });
  expect(error.message).toContain("offset 7 of a.b");
  expect(error.cause).toBeInstanceOf(Error);
  expect(publication.bytes).toEqual(Uint8Array.of(0x2a, 0xff));
});
