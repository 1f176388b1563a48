import { describe, expect, test } from "bun:test";

import { encodeCommand, readReply, RedisReplyError } from "../support/redis/resp.ts";
import type { Reply } from "../support/redis/resp.ts";

const REPLIES: readonly (readonly [text: string, reply: Reply])[] = [
  ["+OK\r\n", "OK"],
  ["-WRONGTYPE not a list\r\n", new RedisReplyError("WRONGTYPE not a list")],
  [":-42\r\n", -42],
  ["$5\r\nhé\r\n\r\n", "hé\r\n"],
  ["$0\r\n\r\n", ""],
  ["$-1\r\n", null],
  ["*-1\r\n", null],
  ["*0\r\n", []],
  ["*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n+x\r\n", [1, ["a", null], "x"]],
];

describe("a RESP reply", () => {
  test.each(REPLIES)("%j is read", (text, reply) => {
    const bytes = Buffer.from(text);
    expect(readReply(bytes, 0)).toEqual({ reply, end: bytes.length });
  });

  test.each(REPLIES)("%j is not read before its last byte has come", (text) => {
    const bytes = Buffer.from(text);
    for (let end = 0; end < bytes.length; end++) {
      expect(readReply(bytes.subarray(0, end), 0)).toBeUndefined();
    }
  });

  test("is read from the middle of others", () => {
    const bytes = Buffer.from("+a\r\n:7\r\n+b\r\n");
    expect(readReply(bytes, 4)).toEqual({ reply: 7, end: 8 });
  });

  test("of no known type is refused", () => {
    expect(() => readReply(Buffer.from("%1\r\n"), 0)).toThrow('no RESP2 type begins with "%"');
  });

  test("that is an error has its first word as the code", () => {
    expect(new RedisReplyError("NOSCRIPT No matching script").code).toBe("NOSCRIPT");
    expect(new RedisReplyError("INPROG").code).toBe("INPROG");
  });
});

test("a RESP command counts bytes, and carries bytes as they are", () => {
  const bytes = encodeCommand(["SET", "hé", 7, new Uint8Array([0xff, 0x0d, 0x0a])]);
  const expected = "*4\r\n$3\r\nSET\r\n$3\r\nh\xc3\xa9\r\n$1\r\n7\r\n$3\r\n\xff\r\n\r\n";
  expect(bytes.toString("latin1")).toBe(expected);
});
