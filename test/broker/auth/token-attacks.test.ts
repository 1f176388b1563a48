import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, sign as signBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { hmac, rawToken } from "../../support/raw-token.ts";
import { HS, outcome, SECRET, setUp } from "../../support/token-setup.ts";

function rs256(key: KeyObject): (input: string) => Uint8Array {
  return (input) => signBytes("sha256", Buffer.from(input), key);
}

function adminClaims(nowS: number): object {
  return { sub: "ann", exp: nowS + 60, tickwire: { admin: true } };
}

describe("attacks on the signature are all answered alike", () => {
  const refused = "unauthorized: the token is not valid";
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rsaPem = rsa.publicKey.export({ type: "spki", format: "pem" });
  const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
  test("the hand-made tokens are accepted when nothing is wrong with them", async () => {
    const { authenticator, nowS } = setUp();
    expect(await outcome(authenticator, rawToken(HS, adminClaims(nowS), hmac(SECRET)))).toBe(
      "accepted",
    );
    const withRsa = setUp({ tokenPublicKey: rsaPem });
    const token = rawToken({ alg: "RS256" }, adminClaims(nowS), rs256(rsa.privateKey));
    expect(await outcome(withRsa.authenticator, token)).toBe("accepted");
  });

  test.each<[string, (claims: object) => string]>([
    ["alg none, no signature", (c) => rawToken({ alg: "none" }, c, () => new Uint8Array())],
    ["alg None", (c) => rawToken({ alg: "None" }, c, () => new Uint8Array())],
    ["alg none, signed", (c) => rawToken({ alg: "none" }, c, hmac(SECRET))],
    ["no alg", (c) => rawToken({ typ: "JWT" }, c, hmac(SECRET))],
    ["another secret", (c) => rawToken(HS, c, hmac(`${SECRET}x`))],
    ["an empty secret", (c) => rawToken(HS, c, hmac(""))],
    [
      "RS256 to a broker with a secret",
      (c) => rawToken({ alg: "RS256" }, c, rs256(rsa.privateKey)),
    ],
    [
      "its own key in the header",
      (c) => rawToken({ alg: "HS256", jwk: { kty: "oct", k: "QUFBQQ" } }, c, hmac("AAAA")),
    ],
    [
      "an unknown critical extension",
      (c) => rawToken({ ...HS, crit: ["x"], x: 1 }, c, hmac(SECRET)),
    ],
    [
      "an unencoded payload",
      (c) => rawToken({ ...HS, crit: ["b64"], b64: false }, c, hmac(SECRET)),
    ],
    ["a header that is no JSON", (c) => rawToken("{", c, hmac(SECRET))],
    ["a header that is an array", (c) => rawToken([], c, hmac(SECRET))],
    ["claims that are no JSON", () => rawToken(HS, "{", hmac(SECRET))],
    ["claims that are an array", () => rawToken(HS, [], hmac(SECRET))],
    ["claims that are null", () => rawToken(HS, "null", hmac(SECRET))],
    ["claims in broken UTF-8", () => rawToken(HS, "\ud800", hmac(SECRET))],
    ["two parts", (c) => rawToken(HS, c, hmac(SECRET)).split(".").slice(0, 2).join(".")],
    ["four parts", (c) => `${rawToken(HS, c, hmac(SECRET))}.x`],
    ["five parts, as encryption has", (c) => `${rawToken(HS, c, hmac(SECRET))}.x.y`],
    [
      "a compressed header",
      (c) => rawToken({ alg: "dir", enc: "A256GCM", zip: "DEF" }, c, hmac(SECRET)),
    ],
    ["nothing", () => ""],
    ["dots", () => ".."],
    ["text", () => "hello"],
    ["characters beyond ASCII", () => "é.é.é"],
  ])("%s", async (_name, make) => {
    const { authenticator, nowS } = setUp();
    expect(await outcome(authenticator, make(adminClaims(nowS)))).toBe(refused);
  });

  test("a token changed anywhere is refused", async () => {
    const { authenticator, nowS } = setUp();
    const good = rawToken(HS, adminClaims(nowS), hmac(SECRET));
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (let i = 0; i < good.length; i++) {
      if (good[i] === ".") continue;
      // Half the alphabet away, so that more changes than the unused low bits of a last character.
      const at = alphabet.indexOf(good[i] as string);
      const changed = good.slice(0, i) + alphabet[(at + 32) % 64] + good.slice(i + 1);
      expect([i, await outcome(authenticator, changed)]).toEqual([i, refused]);
    }
    expect(await outcome(authenticator, good)).toBe("accepted");
  });

  test.each<[string, (claims: object) => string]>([
    ["HS256 with the public key as the secret", (c) => rawToken(HS, c, hmac(rsaPem))],
    ["the same without its last line end", (c) => rawToken(HS, c, hmac(rsaPem.trim()))],
    [
      "HS256 with the key's DER",
      (c) => rawToken(HS, c, hmac(rsa.publicKey.export({ type: "spki", format: "der" }))),
    ],
    ["another RSA key", (c) => rawToken({ alg: "RS256" }, c, rs256(other.privateKey))],
    [
      "another RSA key, given in the header",
      (c) =>
        rawToken(
          { alg: "RS256", jwk: other.publicKey.export({ format: "jwk" }) },
          c,
          rs256(other.privateKey),
        ),
    ],
    [
      "a key to be fetched",
      (c) =>
        rawToken(
          { alg: "RS256", jku: "http://127.0.0.1:1/", x5u: "http://127.0.0.1:1/" },
          c,
          rs256(other.privateKey),
        ),
    ],
    [
      "ES256 with nothing but zeros",
      (c) => rawToken({ alg: "ES256" }, c, () => new Uint8Array(64)),
    ],
    ["alg none", (c) => rawToken({ alg: "none" }, c, () => new Uint8Array())],
  ])("with an RSA key: %s", async (_name, make) => {
    const { authenticator, nowS } = setUp({ tokenPublicKey: rsaPem });
    expect(await outcome(authenticator, make(adminClaims(nowS)))).toBe(refused);
  });

  test("an algorithm that fits the key but is not allowed is refused", async () => {
    const { authenticator, nowS } = setUp({ tokenAlgorithms: ["HS512"] });
    expect(await outcome(authenticator, rawToken(HS, adminClaims(nowS), hmac(SECRET)))).toBe(
      refused,
    );
    const token = rawToken({ alg: "HS512" }, adminClaims(nowS), hmac(SECRET, "sha512"));
    expect(await outcome(authenticator, token)).toBe("accepted");
  });

  test.each([4097, 1024 * 1024])(
    "a token of %d characters is not even looked at",
    async (length) => {
      const { authenticator, nowS } = setUp();
      const padded = { ...adminClaims(nowS), pad: "x".repeat(length) };
      const token = rawToken(HS, padded, hmac(SECRET)).slice(-length);
      expect(await outcome(authenticator, token)).toBe(
        "unauthorized: a token has at most 4096 bytes",
      );
    },
  );
});
