import { describe, expect, test } from "bun:test";
import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import manifest from "../../package.json" with { type: "json" };
import { CliProcess, runCli } from "../support/process.ts";
import { TempFolder } from "../support/temp-folder.ts";

// Everything here happens in a folder outside of the checkout, as with an author of transforms.

/** A new transform; resolves to its folder. */
async function scaffold(folder: TempFolder, name = "my-filter"): Promise<string> {
  const { code, stderr } = await runCli(["transform", "create", name], { cwd: folder.path });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return join(folder.path, name);
}

/** `tickwire transform <args>` in a folder. */
function transform(cwd: string, ...args: readonly string[]) {
  return runCli(["transform", ...args], { cwd });
}

describe("a new transform", () => {
  test("passes its own tests and measures itself, untouched", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    const tested = await transform(cwd, "test");
    expect(tested.code).toBe(0);
    expect(tested.stdout).toContain("pass  minimum.json: drops what is below the minimum\n");
    expect(tested.stdout).toContain("2 cases, 0 failed\n");
    expect(tested.stderr).toMatch(/^ 4 pass\n 0 fail$/m);
    const measured = await transform(cwd, "bench", "--seconds", "0.2");
    expect(measured.code).toBe(0);
    expect(measured.stdout).toMatch(/^batches of 256( +\S+){4}/m);
    expect(measured.stdout).toMatch(/^one by one( +\S+){4}/m);
  });

  test("needs no node_modules, and gives editors theirs", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    await rm(join(cwd, "node_modules"), { recursive: true });
    expect((await transform(cwd, "dry-run", "-c", "a", "-d", '{"price":1}')).code).toBe(0);
    expect((await transform(cwd, "test")).code).toBe(0);
    const compiler = fileURLToPath(new URL("../../node_modules/.bin/tsc", import.meta.url));
    const child = Bun.spawn([process.execPath, compiler, "--noEmit", "--pretty", "false"], {
      cwd,
      stdout: "pipe",
    });
    expect([await new Response(child.stdout).text(), await child.exited]).toEqual(["", 0]);
  });

  test("is a package: its name, keyword and interface are there", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder, "price-check");
    expect(await Bun.file(join(cwd, "package.json")).json()).toMatchObject({
      name: "price-check",
      keywords: ["tickwire-transform"],
      tickwire: { transform: "./transform.ts", api: 1 },
      peerDependencies: { tickwire: `^${manifest.version}` },
    });
    const { stdout } = await transform(cwd, "inspect", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ name: "price-check", version: "0.1.0", api: 1 });
    // Found by its name, as a broker would once it is installed.
    await Bun.write(
      join(folder.path, "node_modules/price-check/package.json"),
      '{"name":"price-check","tickwire":{"transform":"../../price-check/transform.ts","api":1}}',
    );
    const packaged = await transform(folder.path, "inspect", "price-check");
    expect(packaged.stdout).toStartWith("price-check 0.1.0\n");
  });

  test("is not written over what is there", async () => {
    await using folder = await TempFolder.create();
    await folder.write("mine/notes.txt", "mine");
    const { code, stderr } = await transform(folder.path, "create", "x", "--dir", "mine");
    expect(code).toBe(1);
    expect(stderr).toContain("not empty; nothing was written");
    expect(await Array.fromAsync(new Bun.Glob("**").scan(join(folder.path, "mine")))).toEqual([
      "notes.txt",
    ]);
  });
});

describe("test", () => {
  test("fails with what was expected and what came, for a case", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    await folder.write(
      "my-filter/cases/wrong.json",
      '{"name":"lets all pass","config":{"min":5},"in":[{"channel":"a","json":{"price":1}}],"out":[{"pass":true}]}',
    );
    const { code, stdout } = await transform(cwd, "test", "--no-files");
    expect(code).toBe(1);
    expect(stdout).toContain("FAIL  wrong.json: lets all pass\n");
    expect(stdout).toContain('out[0]: expected pass, got drop ("below the minimum")');
    expect(stdout).toContain("3 cases, 1 failed\n");
  });

  test("fails with a test of the author's", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    await folder.write(
      "my-filter/more.test.ts",
      'import { test } from "bun:test";\ntest("more", () => { throw new Error("no more"); });\n',
    );
    const { code, stderr } = await transform(cwd, "test", "--no-cases");
    expect(code).toBe(1);
    expect(stderr).toContain("no more");
  });

  test("finds tests in folders, and follows no links in a circle", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    await symlink(cwd, join(cwd, "again"), "dir");
    await folder.write(
      "my-filter/deep/er/found.test.ts",
      'import { test } from "bun:test";\ntest("found", () => {});\n',
    );
    const { code, stderr } = await transform(cwd, "test", "--no-cases");
    expect(code).toBe(0);
    expect(stderr).toMatch(/^Ran 5 tests across 2 files\./m);
  });

  test("fails when there is nothing to test", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    const { code, stderr } = await transform(cwd, "test", "--no-cases", "--no-files");
    expect(code).toBe(1);
    expect(stderr).toContain("there is nothing to test");
  });

  test("uses the configuration of the cases, when one is required", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    const module = Bun.file(join(cwd, "transform.ts"));
    await Bun.write(module, (await module.text()).replace("min = 0", "min"));
    expect((await transform(cwd, "test", "--no-files")).code).toBe(0);
    const refused = await transform(cwd, "test", "--no-files", "--config", "{}");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("min: must be a number");
  });
});

test("cases that hang end with Ctrl-C", async () => {
  await using folder = await TempFolder.create();
  const cwd = await scaffold(folder);
  const module = Bun.file(join(cwd, "transform.ts"));
  const begun = join(folder.path, "begun");
  await Bun.write(
    module,
    (await module.text()).replace(
      "for (const message of batch) {",
      `require("node:fs").writeFileSync(${JSON.stringify(begun)}, ""); for (;;);\n    for (const message of batch) {`,
    ),
  );
  await using command = new CliProcess(["transform", "test"], { cwd });
  while (!(await Bun.file(begun).exists())) await new Promise(setImmediate);
  command.kill("SIGINT");
  expect(await command.exited).toBe(130);
});

describe("a module that cannot be loaded", () => {
  const cases: [what: string, module: string, sentences: string[]][] = [
    ["with a syntax error", "export default {\n  name: 'x',,\n};\n", ["transform.ts:2"]],
    ["that throws", "\n\nthrow new Error('not today');\n", ["not today", "transform.ts:3"]],
    ["that exports nothing", "export {};\n", ["must export a transform"]],
    ["without a version", "export default { name: 'x', process() {} };\n", ["version must be"]],
    [
      "that imports what is not there",
      "import 'nowhere-to-be-found';\nexport default {};\n",
      ["nowhere-to-be-found", "transform.ts:1"],
    ],
  ];
  test.each(cases)("%s is told with its place", async (_what, module, sentences) => {
    await using folder = await TempFolder.create();
    const file = await folder.write("transform.ts", module);
    for (const command of ["test", "inspect"]) {
      const { code, stderr } = await transform(folder.path, command, file);
      expect([command, code]).toEqual([command, 1]);
      if (command === "inspect")
        for (const sentence of sentences) expect(stderr).toContain(sentence);
      expect(stderr).not.toMatch(/unexpected failure|^ +at <|^ +at async/m);
    }
  });
});

describe("dry-run", () => {
  test("shows what becomes of payloads", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    const args = ["-c", "quotes.a", "-d", '{"price":12}', "-d", '{"price":1}', "-d", "x"];
    const { code, stdout } = await transform(cwd, "dry-run", ...args, "--config", '{"min":10}');
    expect(code).toBe(0);
    expect(stdout).toBe(
      'publish\n  {"price":12}\n  checked-by: my-filter\ndrop: below the minimum\nfail\n  verdict: price is no number\n',
    );
  });

  test("takes payloads and configuration from files, and answers in JSON", async () => {
    await using folder = await TempFolder.create();
    const cwd = await scaffold(folder);
    await folder.write("my-filter/in.bin", '{"price":12}');
    await folder.write("my-filter/config.json", '{"min":100}');
    const args = ["--channel", "a", "--data", "@in.bin", "--config", "@config.json", "--json"];
    const { stdout } = await transform(cwd, "dry-run", ...args);
    expect(JSON.parse(stdout)).toEqual({
      outcomes: [{ type: "drop", reason: "below the minimum", emissions: [], fault: null }],
    });
  });
});

test("an endless loop ends with the message's time limit", async () => {
  await using folder = await TempFolder.create();
  await folder.write(
    "transform.ts",
    `export default {
       name: "loop", version: "1.0.0", limits: { timeoutMs: 200 },
       process(batch) { for (const message of batch) while (message.text() === "loop"); },
     };`,
  );
  const payloads = ["fine", "loop", "fine"].flatMap((text) => ["-d", text]);
  const { code, stderr } = await transform(folder.path, "dry-run", "-c", "a", ...payloads);
  expect(code).toBe(1);
  expect(stderr).toContain("run: message 1 took longer than its limit of 200 ms");
});

test("a measurement that is interrupted tells what it has, and exits with 130", async () => {
  await using folder = await TempFolder.create();
  const cwd = await scaffold(folder);
  await using command = new CliProcess(["transform", "bench", "--seconds", "600"], { cwd });
  await command.untilStderr((text) => text.includes("batches of 256"));
  command.kill("SIGINT");
  expect(await command.exited).toBe(130);
  expect(command.stdout).toMatch(/^batches of 256( +\S+){4}/m);
});

test("a measurement in JSON is nothing but JSON", async () => {
  await using folder = await TempFolder.create();
  const cwd = await scaffold(folder);
  await folder.write("my-filter/quotes.ndjson", '{"price":1}\n{"price":2}\n');
  const args = ["--lines", "quotes.ndjson", "--batch", "8", "--seconds", "0.1", "--json"];
  const { stdout } = await transform(cwd, "bench", ...args, "--config", '{"min":2}');
  expect(JSON.parse(stdout)).toMatchObject({
    name: "my-filter",
    batch: 8,
    payloads: 2,
    batched: { verdicts: { pass: expect.any(Number), fail: 0, replace: 0 } },
  });
});

const USAGE: [args: string[], sentence: string][] = [
  [[], "needs one of create, test"],
  [["crate"], "did you mean create?"],
  [["create"], "create needs one name"],
  [["create", "My_Filter"], "lower case words with hyphens"],
  [["bench", "--seconds", "0"], "--seconds must be a number above 0"],
  [["test", "a", "b"], "takes one path"],
  [["test", "--config", "{"], "--config is no JSON"],
  [["dry-run", "-c", "a"], "needs --channel and --data"],
  [["dry-run", ".", "--id", "x", "-c", "a", "-d", "b"], "either a path or --id"],
  [["deploy"], "deploy needs one binding"],
  [["deploy", "x", "--shadow", "5", "--canary", "a.>"], "exclude each other"],
  [["deploy", "x", "--shadow", "101"], "--shadow must be a whole number, 1 to 100"],
];
test.each(USAGE)("transform %j exits with 2 and says what is wrong", async (args, sentence) => {
  await using folder = await TempFolder.create();
  const { code, stdout, stderr } = await transform(folder.path, ...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(sentence);
});

test("a folder without a transform, and a broker that is not there, are said", async () => {
  await using folder = await TempFolder.create();
  const empty = await transform(folder.path, "test");
  expect([empty.code, empty.stderr]).toEqual([1, expect.stringContaining("has no transform")]);
  const gone = await transform(folder.path, "status", "--url", "http://127.0.0.1:1");
  expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining("cannot reach a broker")]);
});

test("the help of a subcommand is of that one only", async () => {
  await using folder = await TempFolder.create();
  const deploy = await transform(folder.path, "deploy", "--help");
  expect(deploy.code).toBe(0);
  expect(deploy.stdout).toStartWith("tickwire transform deploy <binding>");
  expect(deploy.stdout).toContain("--canary");
  expect(deploy.stdout).not.toContain("tickwire transform dry-run");
  for (const args of [["--help"], ["crate", "--help"]]) {
    const { stdout } = await transform(folder.path, ...args);
    expect(stdout).toContain("tickwire transform deploy <binding>");
    expect(stdout).toContain("tickwire transform dry-run");
  }
});
