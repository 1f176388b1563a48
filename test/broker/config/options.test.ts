import { expect, test } from "bun:test";

import type { Option } from "../../../broker/config/option.ts";
import { GROUPS } from "../../../broker/config/option.ts";
import { flagOf, OPTION_NAMES, OPTIONS, variableOf } from "../../../broker/config/options.ts";

const rows: [string, Option<unknown, unknown>][] = OPTION_NAMES.map((name) => [
  name,
  OPTIONS[name],
]);

test("every option has its own variable and flag, of the common form", () => {
  expect(new Set(OPTION_NAMES.map(variableOf)).size).toBe(OPTION_NAMES.length);
  expect(new Set(OPTION_NAMES.map(flagOf)).size).toBe(OPTION_NAMES.length);
  for (const name of OPTION_NAMES) {
    expect(variableOf(name)).toMatch(/^TICKWIRE_[A-Z]+(_[A-Z]+)*$/);
    expect(flagOf(name)).toMatch(/^--[a-z]+(-[a-z]+)*$/);
    // `--no-x` turns x off, so no option may be called so.
    expect(flagOf(name)).not.toMatch(/^--(no-|config$)/);
  }
  expect(variableOf("maxConnectionsPerIp")).toBe("TICKWIRE_MAX_CONNECTIONS_PER_IP");
  expect(flagOf("maxConnectionsPerIp")).toBe("--max-connections-per-ip");
});

test.each(rows)("%s is described, and its default is one of its values", (_name, row) => {
  expect(row.text).toMatch(/^[A-Z].*\.$/s);
  expect(GROUPS).toContain(row.group);
  const fallback = row.fallback();
  if (fallback !== null) expect(row.parse(fallback)).toEqual(fallback);
});

test("defaults are those the docs promise", () => {
  const fallbacks = Object.fromEntries(rows.map(([name, row]) => [name, row.fallback()]));
  expect(fallbacks).toMatchObject({
    host: "127.0.0.1",
    port: 9300,
    reusePort: false,
    allowAnonymous: false,
    tokenMaxAgeS: 86_400,
    maxConnectionsPerUser: 5,
    maxSubscriptions: 128,
    maxMessageBytes: 65_536,
    maxPayloadBytes: 64_512,
    outboundBytes: 4_194_304,
    historySize: 256,
    metricsPublic: false,
  });
  for (const [name, row] of rows) {
    const fallback = row.fallback();
    if (typeof fallback === "number")
      expect([name, row.fallbackText]).toEqual([
        name,
        expect.stringMatching(new RegExp(`^${fallback}( |$)`)),
      ]);
  }
});

test("a random node name is a valid one and not the same twice", () => {
  const { node } = OPTIONS;
  const names = Array.from({ length: 100 }, () => node.fallback());
  for (const name of names) {
    expect(name).toMatch(/^n_[0-9a-z]{8}$/);
    expect(node.parse(name)).toBe(name);
  }
  expect(new Set(names).size).toBe(100);
});

test("exactly the options that hold secrets are secret", () => {
  // URLs of Redis may carry its password.
  expect(OPTION_NAMES.filter((name) => OPTIONS[name].isSecret)).toEqual([
    "tokenSecret",
    "apiKeys",
    "redis",
    "redisCluster",
    "redisSentinel",
    "redisPassword",
  ]);
});
