import { describe, expect, test } from "bun:test";

import { BadClaims, readClaims } from "../../../broker/auth/claims.ts";

test("a token without rights may do nothing", () => {
  expect(readClaims({ sub: "ann" })).toEqual({
    user: "ann",
    tokenId: null,
    issuedAtMs: 0,
    publish: [],
    subscribe: [],
    presence: [],
    isAdmin: false,
    mayTrace: false,
  });
});

test("rights, id and time are read", () => {
  const tickwire = { publish: ["a"], subscribe: ["b.*", "c.>"], presence: ["b.*"], admin: true };
  expect(readClaims({ sub: "ann", jti: "t1", iat: 1000.5, tickwire, other: 5 })).toEqual({
    user: "ann",
    tokenId: "t1",
    issuedAtMs: 1_000_500,
    publish: ["a"],
    subscribe: ["b.*", "c.>"],
    presence: ["b.*"],
    isAdmin: true,
    mayTrace: true,
  });
});

test("a user name is taken as it is, also when it looks like a pattern", () => {
  for (const sub of [">", "*", "a.*", "$x", "é", " ", "__proto__", "x".repeat(256)]) {
    expect(readClaims({ sub }).user).toBe(sub);
  }
});

describe("what is not right is refused", () => {
  const patterns = Array.from({ length: 65 }, (_, i) => `a${i}`);
  test.each<[Record<string, unknown>, RegExp]>([
    [{}, /^the claim sub must be/],
    [{ sub: "" }, /^the claim sub/],
    [{ sub: 5 }, /^the claim sub/],
    [{ sub: null }, /^the claim sub/],
    [{ sub: "x".repeat(257) }, /^the claim sub/],
    [{ sub: "é".repeat(129) }, /^the claim sub/],
    [{ sub: "a", jti: "" }, /^the claim jti/],
    [{ sub: "a", jti: 5 }, /^the claim jti/],
    [{ sub: "a", iat: "1" }, /^the claim iat/],
    [{ sub: "a", iat: -1 }, /^the claim iat/],
    [{ sub: "a", iat: Number.NaN }, /^the claim iat/],
    [{ sub: "a", iat: Number.POSITIVE_INFINITY }, /^the claim iat/],
    [{ sub: "a", tickwire: "all" }, /^the claim tickwire must be an object$/],
    [{ sub: "a", tickwire: [] }, /^the claim tickwire must be an object$/],
    [{ sub: "a", tickwire: { admin: "true" } }, /^the claim tickwire.admin must be a boolean$/],
    [{ sub: "a", tickwire: { admin: 1 } }, /^the claim tickwire.admin/],
    [{ sub: "a", tickwire: { publish: "a" } }, /^the claim tickwire.publish must be a list/],
    [{ sub: "a", tickwire: { publish: null } }, /^the claim tickwire.publish must be a list/],
    [
      { sub: "a", tickwire: { subscribe: patterns } },
      /^the claim tickwire.subscribe must be a list/,
    ],
    [
      { sub: "a", tickwire: { presence: ["a", 5] } },
      /^the claim tickwire.presence holds something/,
    ],
    [{ sub: "a", tickwire: { publish: ["a..b"] } }, /^the claim tickwire.publish holds something/],
    [{ sub: "a", tickwire: { publish: [">.a"] } }, /^the claim tickwire.publish holds something/],
    [{ sub: "a", tickwire: { publish: ["$SYS"] } }, /^the claim tickwire.publish holds something/],
  ])("%j", (payload, message) => {
    expect(() => readClaims(payload)).toThrow(BadClaims);
    expect(() => readClaims(payload)).toThrow(message);
  });
});
