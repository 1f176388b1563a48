import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { createToken } from "../../../broker/auth/create-token.ts";
import { hmac, rawToken } from "../../support/raw-token.ts";
import { HS, outcome, SECRET, setUp } from "../../support/token-setup.ts";

test("a good token says who and what", async () => {
  const { authenticator, nowS, clock } = setUp();
  const token = await createToken({
    sub: "ann",
    expS: 600,
    publish: ["orders.ann"],
    subscribe: ["prices.>"],
    jti: "t1",
    key: SECRET,
    nowMs: clock.wallMs(),
  });
  const identity = await authenticator.authenticate(token);
  expect(identity).toMatchObject({
    user: "ann",
    tokenId: "t1",
    issuedAtMs: nowS * 1000,
    // With the tolerance for clocks, 5 s.
    expiresAtMs: (nowS + 605) * 1000,
    isAdmin: false,
    mayTrace: false,
  });
  expect(identity.grants.mayPublish("orders.ann")).toBe(true);
  expect(identity.grants.mayPublish("orders.bob")).toBe(false);
  expect(identity.grants.maySubscribe("prices.eur.usd")).toBe(true);
  expect(identity.grants.mayPresence("prices.eur")).toBe(false);
});

test("a user called like a pattern gets what the token grants and no more", async () => {
  const { authenticator, clock } = setUp();
  for (const sub of [">", "*", "chat.*"]) {
    const request = { sub, expS: 60, subscribe: ["own.x"], key: SECRET, nowMs: clock.wallMs() };
    const { user, grants } = await authenticator.authenticate(await createToken(request));
    expect(user).toBe(sub);
    expect(grants.maySubscribe("own.x")).toBe(true);
    for (const other of ["chat.a", "own.y", ">", "*"])
      expect(grants.maySubscribe(other)).toBe(false);
  }
});

describe("each kind of key", () => {
  const pairs: [string, { publicKey: KeyObject; privateKey: KeyObject }][] = [
    ["RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })],
    ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
    ["ES384", generateKeyPairSync("ec", { namedCurve: "P-384" })],
    ["ES512", generateKeyPairSync("ec", { namedCurve: "P-521" })],
    ["EdDSA", generateKeyPairSync("ed25519")],
  ];

  test.each(pairs)("%s", async (alg, { publicKey, privateKey }) => {
    const { authenticator, clock } = setUp({
      tokenPublicKey: publicKey.export({ type: "spki", format: "pem" }),
    });
    const key = privateKey.export({ type: "pkcs8", format: "pem" });
    const token = await createToken({ sub: "ann", expS: 60, key, nowMs: clock.wallMs() });
    expect(JSON.parse(atob(token.split(".")[0] as string))).toMatchObject({ alg });
    expect((await authenticator.authenticate(token)).user).toBe("ann");
  });

  test.each(["HS256", "HS384", "HS512", "RS512", "PS256", "PS384", "PS512"] as const)(
    "%s, when asked for",
    async (alg) => {
      const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const isSecret = alg.startsWith("HS");
      const { authenticator, clock } = setUp(
        isSecret ? {} : { tokenPublicKey: publicKey.export({ type: "spki", format: "pem" }) },
      );
      const key = isSecret ? SECRET : privateKey.export({ type: "pkcs8", format: "pem" });
      const token = await createToken({ sub: "ann", expS: 60, key, alg, nowMs: clock.wallMs() });
      expect((await authenticator.authenticate(token)).user).toBe("ann");
    },
  );
});

describe("claims of a token whose signature holds", () => {
  const cases: [string, (nowS: number) => object | string, string][] = [
    ["no sub", (s) => ({ exp: s + 60 }), "unauthorized: the claim sub is missing or not accepted"],
    [
      "an empty sub",
      (s) => ({ sub: "", exp: s + 60 }),
      "unauthorized: the claim sub must be a text of 1 to 256 bytes",
    ],
    ["no exp", () => ({ sub: "a" }), "unauthorized: the claim exp is missing or not accepted"],
    [
      "exp as text",
      (s) => ({ sub: "a", exp: `${s + 60}` }),
      "unauthorized: the claim exp is missing or not accepted",
    ],
    [
      "exp null",
      () => ({ sub: "a", exp: null }),
      "unauthorized: the claim exp is missing or not accepted",
    ],
    [
      "exp infinite",
      () => '{"sub":"a","exp":1e400}',
      "unauthorized: the claim exp must be a whole number",
    ],
    [
      "exp with a fraction",
      (s) => ({ sub: "a", exp: s + 60.5 }),
      "unauthorized: the claim exp must be a whole number",
    ],
    [
      "exp beyond exact numbers",
      () => ({ sub: "a", exp: 2 ** 60 }),
      "unauthorized: the claim exp must be a whole number",
    ],
    [
      "exp far ahead",
      (s) => ({ sub: "a", exp: s + 86_406 }),
      "unauthorized: the token lives longer than 86400 s",
    ],
    ["exp as far ahead as may be", (s) => ({ sub: "a", exp: s + 86_400 }), "accepted"],
    [
      "a long life that is nearly over",
      (s) => ({ sub: "a", iat: s - 86_400, exp: s + 60 }),
      "unauthorized: the token lives longer than 86400 s",
    ],
    [
      "exp long ago",
      () => ({ sub: "a", exp: 1 }),
      "token_expired: the token has expired; reconnect with a new one",
    ],
    [
      "exp negative",
      () => ({ sub: "a", exp: -1 }),
      "token_expired: the token has expired; reconnect with a new one",
    ],
    ["exp just over, within the tolerance", (s) => ({ sub: "a", exp: s - 4 }), "accepted"],
    [
      "exp over, beyond the tolerance",
      (s) => ({ sub: "a", exp: s - 5 }),
      "token_expired: the token has expired; reconnect with a new one",
    ],
    [
      "not yet valid",
      (s) => ({ sub: "a", exp: s + 60, nbf: s + 30 }),
      "unauthorized: the claim nbf is missing or not accepted",
    ],
    [
      "issued in the future",
      (s) => ({ sub: "a", exp: s + 60, iat: s + 30 }),
      "unauthorized: the claim iat is in the future",
    ],
    ["issued a little ahead", (s) => ({ sub: "a", exp: s + 60, iat: s + 5 }), "accepted"],
    [
      "rights that are none",
      (s) => ({ sub: "a", exp: s + 60, tickwire: { publish: ["a b"] } }),
      "unauthorized: the claim tickwire.publish holds something that is no channel pattern",
    ],
  ];
  test.each(cases)("%s", async (_name, claims, expected) => {
    const { authenticator, nowS } = setUp();
    expect(await outcome(authenticator, rawToken(HS, claims(nowS), hmac(SECRET)))).toBe(expected);
  });

  const issuerCases: [string, object, string][] = [
    ["all right", { iss: "me", aud: "tickwire" }, "accepted"],
    ["one of several audiences", { iss: "me", aud: ["x", "tickwire"] }, "accepted"],
    ["no issuer", { aud: "tickwire" }, "unauthorized: the claim iss is missing or not accepted"],
    [
      "another issuer",
      { iss: "you", aud: "tickwire" },
      "unauthorized: the claim iss is missing or not accepted",
    ],
    [
      "an issuer that begins alike",
      { iss: "me2", aud: "tickwire" },
      "unauthorized: the claim iss is missing or not accepted",
    ],
    ["no audience", { iss: "me" }, "unauthorized: the claim aud is missing or not accepted"],
    [
      "another audience",
      { iss: "me", aud: "other" },
      "unauthorized: the claim aud is missing or not accepted",
    ],
  ];
  test.each(issuerCases)("issuer and audience: %s", async (_name, claims, expected) => {
    const input = { tokenIssuer: "me", tokenAudience: "tickwire" };
    const { authenticator, nowS } = setUp(input);
    const token = rawToken(HS, { sub: "a", exp: nowS + 60, ...claims }, hmac(SECRET));
    expect(await outcome(authenticator, token)).toBe(expected);
  });
});

test("without a token nobody gets in", async () => {
  const { authenticator } = setUp();
  expect(await outcome(authenticator, null)).toBe("unauthorized: a token is needed");
});

test("a token seen before is known until it ends, and not a moment longer", async () => {
  const { authenticator, clock, nowS } = setUp();
  const token = rawToken(HS, { sub: "a", exp: nowS + 60 }, hmac(SECRET));
  const first = await authenticator.authenticate(token);
  expect(await authenticator.authenticate(token)).toBe(first);
  clock.advance(64_999);
  expect(await authenticator.authenticate(token)).toBe(first);
  clock.advance(1);
  expect(await outcome(authenticator, token)).toStartWith("token_expired");
});

describe("revocation", () => {
  test("of a user refuses old tokens, seen or not, and lets new ones in", async () => {
    const { authenticator, clock, nowS } = setUp();
    const make = (claims: object): string =>
      rawToken(HS, { sub: "ann", exp: nowS + 600, ...claims }, hmac(SECRET));
    const seen = make({ iat: nowS });
    const identity = await authenticator.authenticate(seen);
    expect(authenticator.isRevoked(identity)).toBe(false);
    clock.advance(2000);
    authenticator.revoke({ user: "ann" });
    expect(authenticator.isRevoked(identity)).toBe(true);
    expect(await outcome(authenticator, seen)).toStartWith("revoked");
    expect(await outcome(authenticator, make({ iat: nowS + 1 }))).toStartWith("revoked");
    expect(await outcome(authenticator, make({}))).toStartWith("revoked");
    expect(await outcome(authenticator, make({ iat: nowS + 3 }))).toBe("accepted");
    expect(await outcome(authenticator, make({ sub: "bob", iat: nowS }))).toBe("accepted");
  });

  test("of a token id refuses that token alone", async () => {
    const { authenticator, nowS } = setUp();
    const make = (jti: string): string =>
      rawToken(HS, { sub: "ann", exp: nowS + 600, iat: nowS, jti }, hmac(SECRET));
    authenticator.revoke({ tokenId: "t1" });
    expect(await outcome(authenticator, make("t1"))).toStartWith("revoked");
    expect(await outcome(authenticator, make("t2"))).toBe("accepted");
  });

  test("outlasts every token issued before it", async () => {
    const { authenticator, clock, nowS } = setUp({ tokenMaxAgeS: 60 });
    const token = rawToken(HS, { sub: "ann", exp: nowS + 65, iat: nowS }, hmac(SECRET));
    expect(await outcome(authenticator, token)).toBe("accepted");
    authenticator.revoke({ user: "ann" });
    for (let s = 0; s < 75; s++) {
      clock.advance(1000);
      expect(await outcome(authenticator, token)).toMatch(/^(revoked|token_expired)/);
    }
  });
});
