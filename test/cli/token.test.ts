import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";

import { startBroker } from "../support/broker.ts";
import { runCli } from "../support/process.ts";
import { TempFolder } from "../support/temp-folder.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

async function makeToken(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { code, stdout, stderr } = await runCli(["token", "--sub", "ana", ...args], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  return stdout.trim();
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<
    string,
    unknown
  >;
}

describe("a token", () => {
  test("allows what it says and nothing else", async () => {
    await using broker = await startBroker({ tokenSecret: SECRET });
    const token = await makeToken(["--secret", SECRET, "--publish", "orders.ana"]);
    const env = { TICKWIRE_URL: broker.url, TICKWIRE_TOKEN: token };
    expect((await runCli(["pub", "orders.ana", "x"], { env })).code).toBe(0);
    const refused = await runCli(["pub", "orders.bob", "x"], { env });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("(forbidden)");
    // An option comes before the environment.
    const forged = await runCli(["pub", "orders.ana", "x", "--token", `${token}x`], { env });
    expect(forged.code).toBe(1);
    expect(forged.stderr).toContain("(unauthorized)");
  });

  test("carries its claims", async () => {
    const args = ["--exp", "90s", "--publish", "a,b.>", "--publish", "c", "--subscribe", "d.*"];
    const more = ["--presence", "e", "--admin", "--jti", "t1", "--issuer", "i", "--audience", "w"];
    const token = await makeToken([...args, ...more], { TICKWIRE_TOKEN_SECRET: SECRET });
    const claims = claimsOf(token);
    expect(claims).toMatchObject({
      sub: "ana",
      jti: "t1",
      iss: "i",
      aud: "w",
      tickwire: { publish: ["a", "b.>", "c"], subscribe: ["d.*"], presence: ["e"], admin: true },
    });
    expect(Number(claims["exp"]) - Number(claims["iat"])).toBe(90);
  });

  test("is signed with a private key, and verified with the public one", async () => {
    await using folder = await TempFolder.create();
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" });
    const file = await folder.write("key.pem", pem);
    const token = await makeToken(["--private-key", file, "--publish", "a"]);
    const tokenPublicKey = publicKey.export({ type: "spki", format: "pem" });
    await using broker = await startBroker({ tokenPublicKey });
    const env = { TICKWIRE_URL: broker.url, TICKWIRE_TOKEN: token };
    expect((await runCli(["pub", "a", "x"], { env })).code).toBe(0);
  });

  test("is made with a secret from a file, whose line end is not part of it", async () => {
    await using folder = await TempFolder.create();
    const file = await folder.write("secret", `${SECRET}\n`);
    const token = await makeToken(["--secret", `file:${file}`, "--publish", "a"]);
    await using broker = await startBroker({ tokenSecret: SECRET });
    const env = { TICKWIRE_URL: broker.url, TICKWIRE_TOKEN: token };
    expect((await runCli(["pub", "a", "x"], { env })).code).toBe(0);
  });

  test("that allows nothing is made, with a note", async () => {
    const { code, stdout, stderr } = await runCli(["token", "--sub", "ana", "--secret", SECRET]);
    expect(code).toBe(0);
    expect(stdout).not.toBe("");
    expect(stderr).toContain("not publish or subscribe anywhere");
  });

  test("that lives longer than brokers allow by default is made, with a note", async () => {
    const args = ["token", "--sub", "ana", "--secret", SECRET, "--admin", "--exp", "30d"];
    const { code, stderr } = await runCli(args);
    expect(code).toBe(0);
    expect(stderr).toContain("tokenMaxAgeS");
  });
});

describe("no token", () => {
  const cases: [args: string[], sentence: string][] = [
    [["--secret", "short"], "the secret is 5 bytes; 32 at least"],
    [["--secret", SECRET, "--alg", "ES256"], "ES256 cannot be used with this key"],
    [["--private-key", "no-such-file"], "cannot read no-such-file"],
    // Any file would do for a secret, such as a key in a form that is not read here.
    [["--private-key", import.meta.path], "has no private key in PEM or JWK"],
    [["--secret", SECRET, "--jti", ""], "the claim jti must be a text"],
  ];
  test.each(cases)("%j exits with 1 and says why", async (args, sentence) => {
    const { code, stdout, stderr } = await runCli(["token", "--sub", "ana", ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(sentence);
  });
});
