import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";

import { decodeJwt, decodeProtectedHeader } from "jose";

import { BadKey } from "../../../broker/auth/algorithms.ts";
import { BadClaims } from "../../../broker/auth/claims.ts";
import { createToken } from "../../../broker/auth/create-token.ts";
import type { TokenRequest } from "../../../broker/auth/create-token.ts";

const KEY = "a secret of at least thirty-two bytes";
const request: TokenRequest = { sub: "ann", expS: 60, key: KEY, nowMs: 1_800_000_000_500 };

test("the claims are those asked for", async () => {
  const token = await createToken({
    ...request,
    publish: ["a"],
    subscribe: ["b.>"],
    presence: ["b.*"],
    admin: true,
    jti: "t1",
    issuer: "me",
    audience: "tickwire",
    kid: "k1",
    alg: "HS512",
  });
  expect(decodeProtectedHeader(token)).toEqual({ alg: "HS512", typ: "JWT", kid: "k1" });
  expect(decodeJwt(token)).toEqual({
    sub: "ann",
    iat: 1_800_000_000,
    exp: 1_800_000_060,
    jti: "t1",
    iss: "me",
    aud: "tickwire",
    tickwire: { publish: ["a"], subscribe: ["b.>"], presence: ["b.*"], admin: true },
  });
});

test("what is not asked for is not there", async () => {
  expect(decodeJwt(await createToken(request))).toEqual({
    sub: "ann",
    iat: 1_800_000_000,
    exp: 1_800_000_060,
    tickwire: { publish: [], subscribe: [], presence: [] },
  });
});

test("a private key may be a JWK", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const key = JSON.stringify(privateKey.export({ format: "jwk" }));
  expect(decodeProtectedHeader(await createToken({ ...request, key })).alg).toBe("EdDSA");
});

describe("refused", () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const many = Array.from({ length: 64 }, (_, i) => `${"x".repeat(200)}.${i}`);
  test.each<[string, Partial<TokenRequest>, typeof BadKey | typeof BadClaims, RegExp]>([
    ["a short secret", { key: "short" }, BadKey, /^the secret is 5 bytes; 32 at least$/],
    [
      "a public key",
      { key: publicKey.export({ type: "spki", format: "pem" }) },
      BadKey,
      /^this is a public key/,
    ],
    [
      "a public JWK",
      { key: JSON.stringify(publicKey.export({ format: "jwk" })) },
      BadKey,
      /^neither a private key/,
    ],
    ["a broken PEM", { key: "-----BEGIN PRIVATE KEY-----\nx" }, BadKey, /^neither a private key/],
    [
      "an algorithm that does not fit",
      { key: privateKey.export({ type: "pkcs8", format: "pem" }), alg: "HS256" },
      BadKey,
      /^HS256 cannot be used with this key; it allows RS256/,
    ],
    ["no user", { sub: "" }, BadClaims, /^the claim sub/],
    ["no lifetime", { expS: 0 }, BadClaims, /^the lifetime/],
    ["a lifetime with a fraction", { expS: 1.5 }, BadClaims, /^the lifetime/],
    [
      "something that is no pattern",
      { publish: ["a b"] },
      BadClaims,
      /^the claim tickwire.publish/,
    ],
    ["an empty id", { jti: "" }, BadClaims, /^the claim jti/],
    [
      "more than a broker takes",
      { publish: many },
      BadClaims,
      /^the token has \d+ bytes, 4096 at most/,
    ],
  ])("%s", async (_name, change, kind, message) => {
    const error: unknown = await createToken({ ...request, ...change }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(message);
  });
});
