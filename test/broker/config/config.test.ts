import { describe, expect, test } from "bun:test";

import { buildConfig } from "../../../broker/config/config.ts";
import type { ConfigInput } from "../../../broker/config/config.ts";
import { problemsOf } from "../../support/config-problems.ts";

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
