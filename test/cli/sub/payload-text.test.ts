import { expect, test } from "bun:test";

import { payloadText } from "../../../cli/sub/payload-text.ts";
import { encodePayload } from "../../../client/value-codec.ts";
import { announceSeed, Random } from "../../support/random.ts";

const cases: [bytes: Uint8Array, kind: string, text: string][] = [
  [Buffer.of(), "empty", "(empty)"],
  [Buffer.from('{"a":1}\r\n'), "json", '{"a":1}'],
  [Buffer.from("{not json"), "text", "{not json"],
  [Buffer.from("gr\u00fc\u00dfe"), "text", "gr\u00fc\u00dfe"],
  [Buffer.from("tab\there\u202e"), "text", "tab\\there\\u202e"],
  [Buffer.from("\u001b[31mred"), "text", "\\u001b[31mred"],
  [
    encodePayload({ price: 1.5, at: [1, null] }, "value").slice(),
    "msgpack",
    '{"price":1.5,"at":[1,null]}',
  ],
  [encodePayload("text", "value").slice(), "msgpack", '"text"'],
  [
    Buffer.of(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
    "msgpack",
    '"18446744073709551615"',
  ],
  [Buffer.of(0xc4, 2, 0, 1), "msgpack", '"<2 bytes 0001>"'],
  [Buffer.of(0xc1), "bytes", "c1 (1 byte)"],
  [new Uint8Array(40).fill(0xc1), "bytes", `${"c1".repeat(32)}... (40 bytes)`],
];

test.each(cases)("%p reads as %s", (bytes, kind, text) => {
  expect(payloadText(bytes)).toEqual({ kind: kind as "text", text });
});

test("no payload can steer a terminal", () => {
  const random = new Random(announceSeed("payload-text"));
  for (let round = 0; round < 3000; round++) {
    const { text } = payloadText(random.bytes(random.below(40)));
    expect(text).not.toMatch(/\p{Cc}/u);
  }
});
