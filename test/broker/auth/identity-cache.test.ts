import { expect, test } from "bun:test";

import { allGrants } from "../../../broker/auth/grants.ts";
import { IdentityCache } from "../../../broker/auth/identity-cache.ts";
import type { Identity } from "../../../broker/ports.ts";

function identity(user: string, expiresAtMs: number): Identity {
  const rights = { isAdmin: false, mayTrace: false };
  return { user, grants: allGrants, expiresAtMs, issuedAtMs: 0, tokenId: null, ...rights };
}

test("an identity is found until its token ends", () => {
  const cache = new IdentityCache();
  const ann = identity("ann", 1000);
  cache.set("k", ann);
  expect(cache.get("k", 999)).toBe(ann);
  expect(cache.get("k", 1000)).toBeNull();
  expect(cache.size).toBe(0);
  expect(cache.get("other", 0)).toBeNull();
});

test("the least recently used leaves first", () => {
  const cache = new IdentityCache(2);
  for (const name of ["a", "b"]) cache.set(name, identity(name, 1000));
  cache.get("a", 0);
  cache.set("c", identity("c", 1000));
  expect(["a", "b", "c"].map((name) => cache.get(name, 0)?.user)).toEqual(["a", undefined, "c"]);
  expect(cache.size).toBe(2);
});

test("the key is a digest, which does not hold the token", () => {
  const token = "abc.def.ghi";
  expect(IdentityCache.keyOf(token)).toBe(IdentityCache.keyOf(token));
  expect(IdentityCache.keyOf(token)).not.toBe(IdentityCache.keyOf(`${token}x`));
  expect(IdentityCache.keyOf(token)).toHaveLength(44);
});
