import { expect, test } from "bun:test";

import { Revocations } from "../../../broker/auth/revocations.ts";
import { AccessError } from "../../../broker/ports.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const TTL_MS = 60_000;

function identity(
  user: string | null,
  issuedAtMs: number,
  tokenId: string | null = null,
): { user: string | null; issuedAtMs: number; tokenId: string | null } {
  return { user, issuedAtMs, tokenId };
}

test("a user's tokens from before are refused, later ones are not", () => {
  const clock = new VirtualClock();
  const revocations = new Revocations(clock, TTL_MS);
  const nowMs = clock.wallMs();
  revocations.add({ user: "ann" });
  expect(revocations.has(identity("ann", nowMs - 1000))).toBe(true);
  expect(revocations.has(identity("ann", 0))).toBe(true);
  // In the same second `iat` cannot tell, so it is refused.
  expect(revocations.has(identity("ann", nowMs))).toBe(true);
  expect(revocations.has(identity("ann", nowMs + 1000))).toBe(false);
  expect(revocations.has(identity("bob", nowMs - 1000))).toBe(false);
  expect(revocations.has(identity(null, 0))).toBe(false);
});

test("a token id is refused whatever the time", () => {
  const clock = new VirtualClock();
  const revocations = new Revocations(clock, TTL_MS);
  revocations.add({ tokenId: "t1" });
  expect(revocations.has(identity("ann", clock.wallMs() + 1000, "t1"))).toBe(true);
  expect(revocations.has(identity("ann", 0, "t2"))).toBe(false);
  // A user called like the token id is somebody else.
  expect(revocations.has(identity("t1", 0))).toBe(false);
});

test("a revocation lasts as long as a token can, and revoking again prolongs it", () => {
  const clock = new VirtualClock();
  const revocations = new Revocations(clock, TTL_MS);
  revocations.add({ user: "ann", tokenId: "t1" });
  clock.advance(TTL_MS / 2);
  revocations.add({ user: "ann" });
  clock.advance(TTL_MS / 2);
  expect(revocations.has(identity("ann", 0))).toBe(true);
  expect(revocations.has(identity(null, 0, "t1"))).toBe(true);
  clock.advance(1);
  expect(revocations.has(identity(null, 0, "t1"))).toBe(false);
  clock.advance(TTL_MS);
  expect(revocations.has(identity("ann", 0))).toBe(false);
});

test("when full it says so and keeps what it has; what has ended makes room", () => {
  const clock = new VirtualClock();
  const revocations = new Revocations(clock, TTL_MS, 3);
  for (const user of ["a", "b", "c"]) revocations.add({ user });
  expect(() => revocations.add({ user: "d" })).toThrow(AccessError);
  expect(() => revocations.add({ user: "d" })).toThrow("nothing was revoked");
  for (const user of ["a", "b", "c"]) expect(revocations.has(identity(user, 0))).toBe(true);
  // Again is no addition.
  revocations.add({ user: "a" });
  expect(revocations.size).toBe(3);
  clock.advance(TTL_MS + 1);
  revocations.add({ user: "d" });
  expect(revocations.size).toBe(1);
});
