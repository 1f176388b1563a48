import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";

import { ConfigError } from "../../../broker/config/config-error.ts";
import { flagOf, OPTION_NAMES, variableOf } from "../../../broker/config/options.ts";
import { resolveConfig } from "../../../broker/config/resolve.ts";
import type { ConfigRequest, ResolvedConfig } from "../../../broker/config/resolve.ts";
import { TempFolder } from "../../support/temp-folder.ts";

async function resolve(request: Partial<ConfigRequest>): Promise<ResolvedConfig> {
  await using folder = await TempFolder.create();
  return await resolveConfig({ argv: [], env: {}, cwd: folder.path, ...request });
}

async function problemsOf(request: Partial<ConfigRequest>): Promise<string[]> {
  try {
    await resolve(request);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ where, message }) => `${where}: ${message}`);
  }
  return [];
}

test("later sources win, and each value says where it came from", async () => {
  await using folder = await TempFolder.create();
  await folder.write(
    "tickwire.config.json",
    '{"port": 1, "node": "file", "drainMs": 1, "log": "json"}',
  );
  const { config, sources, file } = await resolveConfig({
    argv: ["--port", "3"],
    env: { TICKWIRE_PORT: "2", TICKWIRE_NODE: "env", PATH: "/bin" },
    cwd: folder.path,
  });
  expect(config).toMatchObject({ port: 3, node: "env", drainMs: 1, historySize: 256 });
  expect(sources).toMatchObject({
    port: "--port",
    node: "TICKWIRE_NODE",
    drainMs: "drainMs in tickwire.config.json",
    historySize: "default",
  });
  expect(file).toBe("tickwire.config.json");
});

test("an option given in the environment or as a flag means the same", async () => {
  const given = {
    host: "::1",
    port: "1234",
    reusePort: "true",
    allowedOrigins: "https://a.example, http://b.example:8080",
    apiKeys: "0123456789abcdef,fedcba9876543210",
    tokenSecret: "0123456789abcdef0123456789abcdef",
    tokenAlgorithms: "HS512",
    maxPayloadBytes: "1KiB",
    pingIntervalMs: "1m",
    namespaces: '[{"pattern":"a.>","presence":false}]',
    logLevel: "debug",
  } as const;
  const entries = Object.entries(given) as [keyof typeof given, string][];
  const env = Object.fromEntries(entries.map(([name, value]) => [variableOf(name), value]));
  const flags = entries.map(([name, value]) => `${flagOf(name)}=${value}`);
  const fixed = ["--node", "n", "--log", "json"];
  const fromEnv = await resolve({ env, argv: fixed });
  const fromFlags = await resolve({ argv: [...flags, ...fixed] });
  expect(fromFlags.config).toEqual(fromEnv.config);
  expect(fromEnv.config).toMatchObject({
    host: "::1",
    port: 1234,
    reusePort: true,
    allowedOrigins: ["https://a.example", "http://b.example:8080"],
    apiKeys: ["0123456789abcdef", "fedcba9876543210"],
    tokenAlgorithms: ["HS512"],
    maxPayloadBytes: 1024,
    pingIntervalMs: 60_000,
  });
});

test("every option can be given by its variable and by its flag", async () => {
  for (const name of OPTION_NAMES) {
    const raw = "\u0001not a value of any option";
    const isText = ["tokenIssuer", "tokenAudience", "redisUser", "redisPassword"].includes(name);
    const where = isText ? "has no effect without" : "";
    const [byVariable] = await problemsOf({ env: { [variableOf(name)]: raw } });
    const [byFlag] = await problemsOf({ argv: [`${flagOf(name)}=${raw}`] });
    // Free texts take anything; without a key they have no effect, which shows that they arrived.
    expect(byVariable).toStartWith(isText ? name : variableOf(name));
    expect(byFlag).toStartWith(isText ? name : flagOf(name));
    expect(byFlag).toContain(where);
  }
});

describe("flags", () => {
  test("switches stand alone, may be negated or take a value after =", async () => {
    const presence = async (...argv: string[]): Promise<boolean> =>
      (await resolve({ argv })).config.presence;
    expect(await presence("--presence")).toBe(true);
    expect(await presence("--no-presence")).toBe(false);
    expect(await presence("--presence=false")).toBe(false);
    expect(await presence("--presence=0")).toBe(false);
    expect(await presence("--no-presence", "--presence=1")).toBe(true);
    expect((await resolve({ argv: ["--reuse-port", "--port", "5"] })).config).toMatchObject({
      reusePort: true,
      port: 5,
    });
  });

  test("flags of lists may be repeated", async () => {
    const argv = ["--allowed-origins", "https://a.example", "--allowed-origins=https://b.example"];
    const { config } = await resolve({ argv });
    expect(config.allowedOrigins).toEqual(["https://a.example", "https://b.example"]);
  });

  test("a value may hold = and begin with a dash", async () => {
    const argv = ["--token-secret=-=0123456789abcdef0123456789abcdef", "--port", "0"];
    expect((await resolve({ argv })).config.tokenSecret).toBe("-=0123456789abcdef0123456789abcdef");
    expect(await problemsOf({ argv: ["--port", "-5"] })).toEqual([
      expect.stringMatching(/^--port: "-5" is out of range/),
    ]);
  });

  test.each<[string[], string[]]>([
    [["--prot", "5"], ["--prot: is not an option; did you mean --port?"]],
    [["--hist-size=5"], ["--hist-size: is not an option; did you mean --history-size?"]],
    [["--port"], ["--port: needs a value: integer"]],
    [["--port", "--presence"], ["--port: needs a value: integer"]],
    [["--port", "1", "--port", "2"], ["--port: is given twice"]],
    [["--no-port"], ["--no-port: is not an option; did you mean --port?"]],
    [["--no-presence=true"], ["--no-presence: takes no value"]],
    [
      ["-p", "5"],
      [
        '"-p": is not expected here; options begin with --',
        '"5": is not expected here; options begin with --',
      ],
    ],
    [["--config"], ["--config: needs the path of a config file"]],
    [["--"], ["--: is not an option; docs/config.md lists them all"]],
  ])("%j", async (argv, problems) => {
    expect(await problemsOf({ argv })).toEqual(problems);
  });
});

describe("environment", () => {
  test("an unknown TICKWIRE_ variable is a mistake, unless somebody else reads it", async () => {
    const env = { TICKWIRE_PROT: "5", TICKWIRE_URL: "ws://x", OTHER: "y" };
    expect(await problemsOf({ env })).toEqual([
      "TICKWIRE_PROT: is not an option; did you mean TICKWIRE_PORT?",
      "TICKWIRE_URL: is not an option; docs/config.md lists them all",
    ]);
    const request = { env, otherVariables: ["TICKWIRE_PROT", "TICKWIRE_URL"] };
    expect(await problemsOf(request)).toEqual([]);
  });

  test("a variable that is set but empty is a mistake, above all a secret", async () => {
    expect(await problemsOf({ env: { TICKWIRE_TOKEN_SECRET: "" } })).toEqual([
      "TICKWIRE_TOKEN_SECRET: is empty; give a value or leave it out",
    ]);
    expect(
      (await resolve({ env: { TICKWIRE_ALLOWED_ORIGINS: "" } })).config.allowedOrigins,
    ).toEqual([]);
  });
});

describe("files", () => {
  test("secrets and public keys may be in files", async () => {
    await using folder = await TempFolder.create();
    const secret = await folder.write("secret", "0123456789abcdef0123456789abcdef\n");
    const keys = await folder.write("keys", "0123456789abcdef\nfedcba9876543210\n");
    const env = { TICKWIRE_TOKEN_SECRET: `file:${secret}`, TICKWIRE_API_KEYS: `file:${keys}` };
    expect((await resolve({ env })).config).toMatchObject({
      tokenSecret: "0123456789abcdef0123456789abcdef",
      apiKeys: ["0123456789abcdef", "fedcba9876543210"],
    });
    const { publicKey } = generateKeyPairSync("ed25519");
    const pem = publicKey.export({ type: "spki", format: "pem" });
    const path = await folder.write("key.pem", pem);
    const jwkPath = await folder.write(
      "key.jwk",
      JSON.stringify(publicKey.export({ format: "jwk" })),
    );
    expect((await resolve({ argv: ["--token-public-key", path] })).config.tokenPublicKey).toBe(
      pem.trimEnd(),
    );
    expect(
      (await resolve({ argv: ["--token-public-key", jwkPath] })).config.tokenPublicKey,
    ).toContain("OKP");
  });

  test("a file that is missing or empty is named", async () => {
    await using folder = await TempFolder.create();
    const empty = await folder.write("empty", "\n");
    expect(await problemsOf({ env: { TICKWIRE_TOKEN_SECRET: `file:${empty}` } })).toEqual([
      expect.stringMatching(/^TICKWIRE_TOKEN_SECRET: the file ".*empty" is empty$/),
    ]);
    expect(await problemsOf({ env: { TICKWIRE_TOKEN_SECRET: `file:${empty}.no` } })).toEqual([
      expect.stringMatching(/^TICKWIRE_TOKEN_SECRET: cannot read the file /),
    ]);
  });

  test.each([
    ["tickwire.config.ts", "const port: number = 5; export default { port };"],
    ["tickwire.config.js", "export default { port: 5 };"],
    ["tickwire.config.json", '{ "port": 5 }'],
  ])("%s in the working directory is read", async (name, content) => {
    await using folder = await TempFolder.create();
    await folder.write(name, content);
    const { config, file } = await resolve({ cwd: folder.path });
    expect([config.port, file]).toEqual([5, name]);
  });

  test("the flag names another file, before the environment", async () => {
    await using folder = await TempFolder.create();
    await folder.write("tickwire.config.json", '{ "port": 1 }');
    await folder.write("two.json", '{ "port": 2 }');
    const three = await folder.write("deep/three.json", '{ "port": 3 }');
    const cwd = folder.path;
    const env = { TICKWIRE_CONFIG: "two.json" };
    expect((await resolve({ cwd, env })).config.port).toBe(2);
    expect((await resolve({ cwd, env, argv: ["--config", three] })).config.port).toBe(3);
  });

  test("two files that could be meant are a problem", async () => {
    await using folder = await TempFolder.create();
    await folder.write("tickwire.config.json", "{}");
    await folder.write("tickwire.config.ts", "export default {};");
    expect(await problemsOf({ cwd: folder.path })).toEqual([
      "config file: there are tickwire.config.ts and tickwire.config.json; keep one or name it with --config",
    ]);
  });

  test.each<[string, string, RegExp]>([
    ["a.json", "{", /^--config: a\.json is not JSON: /],
    ["a.json", "[]", /^--config: a\.json does not hold an object of options$/],
    ["a.json", '{"prot": 1}', /^prot in a\.json: is not an option; did you mean port\?$/],
    ["a.json", '{"port": "x"}', /^port in a\.json: "x" is not a number/],
    ["b1.ts", "export const port = 5;", /^--config: b1\.ts must have `export default defineConfig/],
    ["b2.ts", "export default 5;", /^--config: b2\.ts does not hold an object/],
    ["b3.ts", "throw new Error('on purpose');", /^--config: b3\.ts cannot be loaded: on purpose$/],
    ["b4.ts", "export default {", /^--config: b4\.ts cannot be loaded: /],
  ])("%s with %j is refused", async (name, content, message) => {
    await using folder = await TempFolder.create();
    await folder.write(name, content);
    const request = { cwd: folder.path, argv: ["--config", name] };
    expect(await problemsOf(request)).toEqual([expect.stringMatching(message)]);
  });

  test("a named file that is missing is a problem, and others are told with it", async () => {
    const request = { argv: ["--config", "no.ts", "--port", "x"], env: { TICKWIRE_X: "" } };
    expect(await problemsOf(request)).toEqual([
      "--config: there is no file no.ts",
      "TICKWIRE_X: is not an option; docs/config.md lists them all",
      expect.stringMatching(/^--port: "x" is not a number/),
    ]);
  });
});
