import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";

import {
  BadKey,
  isTokenAlgorithm,
  keyAlgorithms,
  PUBLIC_KEY_ALGORITHMS,
  readPublicKey,
  SECRET_ALGORITHMS,
  TOKEN_ALGORITHMS,
} from "../../../broker/auth/algorithms.ts";

function pem(key: KeyObject): string {
  return key.export({ type: "spki", format: "pem" });
}

test("none, encryption and unknown names are no algorithms", () => {
  for (const name of ["none", "NONE", "", "hs256", "RSA-OAEP", "dir", null, undefined, 5]) {
    expect(isTokenAlgorithm(name)).toBe(false);
  }
  expect([...SECRET_ALGORITHMS, ...PUBLIC_KEY_ALGORITHMS]).toEqual([...TOKEN_ALGORITHMS]);
});

describe("public keys", () => {
  const cases: [string, KeyObject, string[]][] = [
    [
      "RSA",
      generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey,
      ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    ],
    ["P-256", generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey, ["ES256"]],
    ["P-384", generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey, ["ES384"]],
    ["P-521", generateKeyPairSync("ec", { namedCurve: "P-521" }).publicKey, ["ES512"]],
    ["Ed25519", generateKeyPairSync("ed25519").publicKey, ["EdDSA"]],
  ];

  test.each(cases)("%s in PEM and as JWK verifies what fits it", (_name, key, algorithms) => {
    expect(keyAlgorithms(readPublicKey(pem(key)))).toEqual(algorithms as never);
    const jwk = JSON.stringify(key.export({ format: "jwk" }));
    expect(keyAlgorithms(readPublicKey(` ${jwk}\n`))).toEqual(algorithms as never);
  });

  test("a key for agreement and not for signatures verifies nothing", () => {
    expect(() => keyAlgorithms(generateKeyPairSync("x25519").publicKey)).toThrow(BadKey);
  });

  test.each([
    "",
    "garbage",
    "{",
    "{}",
    "null",
    '{"kty":"oct","k":"AAAA"}',
    '{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}',
  ])("%j is no public key", (text) => {
    expect(() => readPublicKey(text)).toThrow(BadKey);
  });
});
