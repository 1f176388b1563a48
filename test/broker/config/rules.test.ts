import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";

import { parseSentinel } from "../../../broker/config/checks.ts";
import { redact } from "../../../broker/config/config-text.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import type { ConfigInput } from "../../../broker/config/config.ts";
import { allowedAlgorithms } from "../../../broker/config/rules.ts";
import { problemsOf, publicPem, SECRET } from "../../support/config-problems.ts";

function algorithms(input: ConfigInput): readonly string[] {
  return allowedAlgorithms(buildConfig(input));
}

describe("pairs that cannot go together", () => {
  test.each<[string, ConfigInput, RegExp]>([
    [
      "an open address without a key",
      { host: "0.0.0.0" },
      /^host: 0\.0\.0\.0 can be reached.*allowAnonymous/,
    ],
    ["a name that is not loopback", { host: "example.com" }, /^host: /],
    [
      "two kinds of key",
      { tokenSecret: SECRET, jwksUrl: "https://idp.example/" },
      /^tokenSecret, jwksUrl: only one/,
    ],
    [
      "anonymous with a key",
      { tokenSecret: SECRET, allowAnonymous: true },
      /^allowAnonymous, tokenSecret: /,
    ],
    ["issuer without a key", { tokenIssuer: "me" }, /^tokenIssuer: has no effect without/],
    ["audience without a key", { tokenAudience: "me" }, /^tokenAudience: has no effect without/],
    [
      "algorithms without a key",
      { tokenAlgorithms: ["HS256"] },
      /^tokenAlgorithms: has no effect without/,
    ],
    [
      "RS with a secret",
      { tokenSecret: SECRET, tokenAlgorithms: ["RS256"] },
      /^tokenAlgorithms: RS256 cannot be used with this key; it allows HS256, HS384, HS512$/,
    ],
    [
      "HS with a key set",
      { jwksUrl: "https://idp.example/", tokenAlgorithms: ["HS256"] },
      /^tokenAlgorithms: HS256 cannot/,
    ],
    [
      "HS with a public key",
      { tokenPublicKey: publicPem("rsa"), tokenAlgorithms: ["HS256"] },
      /^tokenAlgorithms: HS256 cannot/,
    ],
    [
      "ES384 with a P-256 key",
      { tokenPublicKey: publicPem("ec"), tokenAlgorithms: ["ES384"] },
      /it allows ES256$/,
    ],
    [
      "a payload as large as the message",
      { maxPayloadBytes: 65_536 },
      /^maxPayloadBytes, maxMessageBytes: 65536 must be below/,
    ],
    [
      "a namespace's payload above it",
      { namespaces: [{ pattern: "a", maxPayloadBytes: "64KiB" }] },
      /^namespaces, "a": maxPayloadBytes 65536 must be below/,
    ],
    [
      "a queue below one message",
      { outboundBytes: "64KiB", maxMessageBytes: "128KiB" },
      /^outboundBytes, maxMessageBytes: /,
    ],
    [
      "all queues below one",
      { outboundBytes: "4MiB", outboundTotalBytes: "2MiB" },
      /^outboundTotalBytes, outboundBytes: /,
    ],
    [
      "any origin and a list",
      { allowedOrigins: ["*", "https://a.example"] },
      /^allowedOrigins: "\*" already/,
    ],
    [
      "a cooldown above the age",
      { jwksCooldownS: 60, jwksCacheMaxAgeS: 30 },
      /^jwksCooldownS, jwksCacheMaxAgeS: /,
    ],
  ])("%s", (_name, input, message) => {
    expect(problemsOf(input)).toEqual([expect.stringMatching(message)]);
  });

  test.each<[string, ConfigInput]>([
    ["loopback by name", { host: "localhost" }],
    ["loopback in IPv6", { host: "::1" }],
    ["an open address with a key", { host: "0.0.0.0", tokenSecret: SECRET }],
    ["an open address, allowed", { host: "0.0.0.0", allowAnonymous: true }],
    ["keys of this machine in the clear", { jwksUrl: "http://127.0.0.1:5/keys" }],
    ["a queue for exactly one message", { maxMessageBytes: "64KiB", outboundBytes: "64KiB" }],
    ["all queues as large as one", { outboundBytes: "4MiB", outboundTotalBytes: "4MiB" }],
    ["a cooldown as long as the age", { jwksCooldownS: 30, jwksCacheMaxAgeS: 30 }],
    ["API keys as short and as long as may be", { apiKeys: ["x".repeat(16), "y".repeat(256)] }],
    ["a secret as short as may be", { tokenSecret: "x".repeat(32) }],
    [
      "every algorithm there is, of a fitting kind",
      { tokenSecret: SECRET, tokenAlgorithms: ["HS256", "HS384", "HS512"] },
    ],
    ["a payload just below the message", { maxPayloadBytes: 65_535 }],
  ])("%s is right", (_name, input) => {
    expect(problemsOf(input)).toEqual([]);
  });
});

describe("keys", () => {
  test("a key says which algorithms tokens may use", () => {
    expect(algorithms({ tokenSecret: SECRET })).toEqual(["HS256", "HS384", "HS512"]);
    expect(algorithms({ tokenPublicKey: publicPem("ec") })).toEqual(["ES256"]);
    expect(algorithms({ tokenPublicKey: publicPem("ed25519") })).toEqual(["EdDSA"]);
    expect(algorithms({ tokenPublicKey: publicPem("rsa") })).toEqual([
      "RS256",
      "RS384",
      "RS512",
      "PS256",
      "PS384",
      "PS512",
    ]);
    expect(algorithms({ tokenPublicKey: publicPem("rsa"), tokenAlgorithms: ["PS256"] })).toEqual([
      "PS256",
    ]);
    expect(algorithms({ jwksUrl: "https://idp.example/" })).not.toContain("HS256");
  });

  test("a private key, a secret JWK and a short RSA key are refused", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = privateKey.export({ format: "jwk" });
    expect(
      problemsOf({ tokenPublicKey: privateKey.export({ type: "pkcs8", format: "pem" }) }),
    ).toEqual(["tokenPublicKey: this is a private key; give its public key"]);
    expect(problemsOf({ tokenPublicKey: JSON.stringify(jwk) })).toEqual([
      "tokenPublicKey: this JWK holds a secret; give the public key",
    ]);
    expect(problemsOf({ tokenPublicKey: publicPem("rsa", 1024) })).toEqual([
      "tokenPublicKey: an RSA key of 1024 bits is too short; 2048 at least",
    ]);
  });

  test("a PEM whose line ends are written as backslash n is read", () => {
    const pem = publicPem("ed25519");
    const config = buildConfig({ tokenPublicKey: pem.replaceAll("\n", String.raw`\n`) });
    expect(config.tokenPublicKey).toBe(pem);
  });
});

describe("redis", () => {
  test("is given by URLs, by nodes of a cluster or by sentinels", () => {
    const config = buildConfig({ redis: ["redis://a:6379", "rediss://user:pass@b"] });
    expect(config.redis).toEqual(["redis://a:6379", "rediss://user:pass@b"]);
    expect(buildConfig({ redisCluster: ["a:6379", "redis://b"] }).redisCluster).toEqual([
      "redis://a:6379",
      "redis://b",
    ]);
    expect(parseSentinel("main@a:26380, b")).toEqual({
      name: "main",
      sentinels: [
        { host: "a", port: 26_380 },
        { host: "b", port: 26_379 },
      ],
    });
  });

  test.each<[ConfigInput, RegExp]>([
    [{ redis: ["a:6379"] }, /^redis: must be a URL such as redis:/],
    [{ redis: ["http://a"] }, /^redis: must be a URL such as redis:/],
    [{ redisSentinel: "a:26379" }, /^redisSentinel: must be name@host:port/],
    [{ redisPrefix: "a:b" }, /^redisPrefix: "a:b" must be 1 to 32 letters/],
    [{ redis: ["redis://a"], redisCluster: ["b:1"] }, /^redis, redisCluster: only one of them/],
  ])("%j is refused", (input, message) => {
    expect(problemsOf(input)).toEqual([expect.stringMatching(message)]);
  });

  test("a wrong URL is not shown, for it may carry the password", () => {
    expect(problemsOf({ redis: ["http://user:hunter2@a"] }).join()).not.toContain("hunter2");
    expect(
      JSON.stringify(redact(buildConfig({ redis: ["redis://user:hunter2@a"] }))),
    ).not.toContain("hunter2");
  });
});
