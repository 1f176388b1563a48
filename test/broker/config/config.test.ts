import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";

import { Namespaces } from "../../../broker/channels/namespace.ts";
import { parseSentinel } from "../../../broker/config/checks.ts";
import { ConfigError } from "../../../broker/config/config-error.ts";
import { redact } from "../../../broker/config/config-text.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import type { ConfigInput } from "../../../broker/config/config.ts";
import { allowedAlgorithms } from "../../../broker/config/rules.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

const publicPem = (kind: "rsa" | "ec" | "ed25519", bits = 2048): string => {
  const { publicKey } =
    kind === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: bits })
      : kind === "ec"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
  return publicKey.export({ type: "spki", format: "pem" });
};

function algorithms(input: ConfigInput): readonly string[] {
  return allowedAlgorithms(buildConfig(input));
}

/** What is wrong with an input, as `where: message`. */
function problemsOf(input: object): string[] {
  try {
    buildConfig(input);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ where, message }) => `${where}: ${message}`);
  }
  return [];
}

test("no input gives a complete, deeply frozen configuration", () => {
  const config = buildConfig();
  expect(config.port).toBe(9300);
  expect(Object.isFrozen(config)).toBe(true);
  for (const value of Object.values(config)) {
    if (typeof value === "object" && value !== null) expect(Object.isFrozen(value)).toBe(true);
  }
  for (const namespace of config.namespaces) expect(Object.isFrozen(namespace)).toBe(true);
});

test("undefined counts as not given", () => {
  expect(buildConfig({ port: undefined } as unknown as ConfigInput).port).toBe(9300);
});

test("durations and sizes may be texts", () => {
  const config = buildConfig({
    pingIntervalMs: "30s",
    tokenMaxAgeS: "2h",
    outboundBytes: "8MiB",
    drainMs: "1500",
  });
  expect(config).toMatchObject({
    pingIntervalMs: 30_000,
    tokenMaxAgeS: 7200,
    outboundBytes: 8_388_608,
    drainMs: 1500,
  });
});

describe("wrong values", () => {
  test.each<[object, RegExp]>([
    [{ port: "abc" }, /^port: "abc" is not a number; give a whole number from 0 to 65535$/],
    [{ port: 65_536 }, /^port: 65536 is out of range/],
    [{ port: -1 }, /^port: -1 is out of range/],
    [{ port: 1.5 }, /^port: 1.5 is out of range/],
    [{ port: Number.NaN }, /^port: null is out of range|^port: NaN is out of range/],
    [{ port: "0x10" }, /^port: "0x10" is not a number/],
    [{ port: "" }, /^port: "" is not a number/],
    [{ port: "9007199254740993" }, /out of range/],
    [{ port: null }, /^port: null is not a number/],
    [{ reusePort: "yes" }, /^reusePort: "yes" is neither true nor false$/],
    [
      { pingIntervalMs: "10 years" },
      /^pingIntervalMs: "10 years" is not a duration; give 100 ms to 1 h/,
    ],
    [{ pingIntervalMs: "2h" }, /^pingIntervalMs: "2h" is out of range/],
    [{ tokenMaxAgeS: "90.5s" }, /out of range/],
    [
      { maxMessageBytes: "17MiB" },
      /^maxMessageBytes: "17MiB" is out of range; give 1 KiB to 16 MiB/,
    ],
    [{ maxMessageBytes: "64K" }, /^maxMessageBytes: "64K" is not a size; give 1 KiB to 16 MiB/],
    [{ tokenIssuer: "x".repeat(65_537) }, /^tokenIssuer: is longer than 65536 characters$/],
    [
      { tokenAlgorithms: Array.from({ length: 14 }, () => "HS256") },
      /^tokenAlgorithms: has 14 entries; 13 at most$/,
    ],
    [{ log: "loud" }, /^log: "loud" is not known; give one of pretty, json, silent$/],
    [{ host: "" }, /^host: is empty/],
    [{ host: "http://x" }, /^host: "http:\/\/x" is not a host name or address/],
    [{ node: "a b" }, /^node: "a b" must be 1 to 64 letters/],
    [{ tokenSecret: "short" }, /^tokenSecret: is 5 bytes; 32 at least/],
    [{ tokenSecret: 5 }, /^tokenSecret: is not a text$/],
    [{ apiKeys: ["tooshort"] }, /^apiKeys: an API key must have 16 to 256 characters$/],
    [{ apiKeys: ["with spaces in it, long"] }, /^apiKeys: an API key must be printable ASCII/],
    [{ allowedOrigins: ["example.com"] }, /^allowedOrigins: "example.com" is not an origin/],
    [{ allowedOrigins: ["https://example.com/app"] }, /is not an origin/],
    [{ allowedOrigins: ["https://*.example.com"] }, /is not an origin/],
    [{ allowedOrigins: ["https://example.com:443"] }, /is not an origin/],
    [{ allowedOrigins: 5 }, /^allowedOrigins: 5 is not a list$/],
    [{ tokenAlgorithms: ["none"] }, /^tokenAlgorithms: "none" is not allowed; give any of HS256/],
    [{ jwksUrl: "http://idp.example/keys" }, /^jwksUrl: must begin with https:/],
    [{ jwksUrl: "https://user:pass@idp.example/" }, /^jwksUrl: must not carry a user name/],
    [{ jwksUrl: "ftp://127.0.0.1/keys" }, /^jwksUrl: must begin with https:/],
    [{ jwksUrl: "keys" }, /^jwksUrl: is not a URL$/],
    [{ tokenPublicKey: "/does/not/exist.pem" }, /^tokenPublicKey: cannot read the file/],
    [
      { tokenPublicKey: "-----BEGIN PUBLIC KEY-----\nx\n" },
      /^tokenPublicKey: neither a public key/,
    ],
  ])("%j is refused with what to do", (input, message) => {
    expect(problemsOf(input)).toEqual([expect.stringMatching(message)]);
  });

  test("all problems are told at once, with unknown names and what they may mean", () => {
    const input = { prot: 1, porto: 2, maxConections: 3, zzzzzz: 4, host: 5, logLevel: "loud" };
    expect(problemsOf(input)).toEqual([
      "prot: is not an option; did you mean port?",
      "porto: is not an option; did you mean port?",
      "maxConections: is not an option; did you mean maxConnections?",
      "zzzzzz: is not an option; docs/config.md lists them all",
      "host: 5 is not a text",
      'logLevel: "loud" is not known; give one of debug, info, warn, error',
    ]);
  });

  test("names of Object.prototype are no options", () => {
    expect(problemsOf({ constructor: 1, toString: 2 })).toHaveLength(2);
    expect(problemsOf(JSON.parse('{"__proto__": 1}') as object)).toHaveLength(1);
  });

  test("no message shows the value of a secret", () => {
    const secrets = {
      tokenSecret: "hunter2-is-short",
      apiKeys: ["hunter2-has a space", "hunter2"],
    };
    const [first, second] = problemsOf(secrets);
    expect(`${first}${second}`).not.toContain("hunter2");
  });
});

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

describe("namespaces", () => {
  test("what a namespace leaves out comes from the options, and the last matches everything", () => {
    const { namespaces } = buildConfig({
      historySize: 10,
      maxSubscribersPerChannel: 7,
      namespaces: [{ pattern: "chat.*", historyTtlMs: "1h" }],
    });
    expect(namespaces).toEqual([
      {
        pattern: "chat.*",
        historySize: 10,
        historyTtlMs: 3_600_000,
        flushIntervalMs: 0,
        presence: true,
        maxPayloadBytes: 64_512,
        maxSubscribers: 7,
        ack: "accepted",
        routing: "partition",
        delivery: "total",
        traceRate: 0.001,
        slowMs: 250,
      },
      {
        pattern: ">",
        historySize: 10,
        historyTtlMs: 300_000,
        flushIntervalMs: 0,
        presence: true,
        maxPayloadBytes: 64_512,
        maxSubscribers: 7,
        ack: "accepted",
        routing: "partition",
        delivery: "total",
        traceRate: 0.001,
        slowMs: 250,
      },
    ]);
    expect(new Namespaces(namespaces).resolve("chat.a").historyTtlMs).toBe(3_600_000);
    expect(new Namespaces(namespaces).resolve("other").historyTtlMs).toBe(300_000);
  });

  test("a last namespace for everything is not doubled", () => {
    const { namespaces } = buildConfig({ namespaces: [{ pattern: ">", historySize: 1 }] });
    expect(namespaces.map(({ pattern, historySize }) => [pattern, historySize])).toEqual([
      [">", 1],
    ]);
  });

  test.each<[unknown, RegExp]>([
    ["[", /^namespaces: is not JSON/],
    [{}, /^namespaces: \{\} is not a list of namespaces$/],
    [[null], /^namespaces: entry 1 is not an object with a pattern$/],
    [[[]], /^namespaces: entry 1 is not an object with a pattern$/],
    [[5], /^namespaces: entry 1 is not an object with a pattern$/],
    [[{ historySize: 1 }], /^namespaces: entry 1: undefined is not a channel name or pattern$/],
    [[{ pattern: "a..b" }], /^namespaces: entry 1: "a..b" is not a channel name or pattern$/],
    [
      [{ pattern: "a", historyTtl: 5 }],
      /^namespaces: "a", historyTtl: did you mean historyTtlMs\?$/,
    ],
    [
      [{ pattern: "a", nonsense: 5 }],
      /^namespaces: "a", nonsense: is not an option of a namespace; those are/,
    ],
    [[{ pattern: "a", historySize: -1 }], /^namespaces: "a", historySize: -1 is out of range/],
    [
      [{ pattern: ">" }, { pattern: "a.b" }],
      /^namespaces: "a.b" is never used, because ">" stands before it/,
    ],
    [[{ pattern: "a.*" }, { pattern: "a.b" }], /^namespaces: "a.b" is never used/],
  ])("%j is refused", (namespaces, message) => {
    expect(problemsOf({ namespaces })).toEqual([expect.stringMatching(message)]);
  });

  test("local-first delivery and history exclude one another, wherever each is set", () => {
    const where = (input: object): string[] =>
      problemsOf(input).map((problem) => problem.split(":")[0] as string);
    const localFirst = { delivery: "local-first" };
    const plain = { historySize: 0 };
    expect(where(localFirst)).toEqual(["delivery, historySize"]);
    expect(problemsOf(localFirst)[0]).toContain("set historySize to 0 (it is 256)");
    expect(where({ namespaces: [{ pattern: "a", ...localFirst }] })).toEqual(['namespaces, "a"']);
    expect(
      where({ ...localFirst, ...plain, namespaces: [{ pattern: "a", historySize: 1 }] }),
    ).toEqual(['namespaces, "a"']);
    for (const allowed of [
      { ...localFirst, ...plain },
      { namespaces: [{ pattern: "a", ...localFirst, ...plain }] },
      { ...localFirst, namespaces: [{ pattern: ">", delivery: "total" }] },
    ])
      expect(() => buildConfig(allowed as object)).not.toThrow();
  });

  test("there may be 256 of them", () => {
    const namespaces = Array.from({ length: 257 }, (_, i) => ({ pattern: `a${i}` }));
    expect(problemsOf({ namespaces })).toEqual(["namespaces: has 257 entries; 256 at most"]);
    expect(problemsOf({ namespaces: namespaces.slice(1) })).toEqual([]);
  });
});
