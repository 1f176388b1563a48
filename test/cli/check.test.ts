import { describe, expect, test } from "bun:test";

import { OPTION_NAMES } from "../../broker/config/options.ts";
import { runCli } from "../support/process.ts";
import { TempFolder } from "../support/temp-folder.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

describe("a good configuration", () => {
  test("is printed with where each value is from, and without secrets", async () => {
    await using folder = await TempFolder.create();
    await folder.write(
      "tickwire.config.json",
      '{"port":9400,"namespaces":[{"pattern":"chat.>","historySize":7}]}',
    );
    const { code, stdout, stderr } = await runCli(["check", "--drain-ms", "5s"], {
      cwd: folder.path,
      env: { TICKWIRE_TOKEN_SECRET: SECRET },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^port +9400 +port in tickwire\.config\.json$/m);
    expect(stdout).toMatch(/^drainMs +5000 +--drain-ms$/m);
    expect(stdout).toMatch(/^tokenSecret +\(hidden\) +TICKWIRE_TOKEN_SECRET$/m);
    expect(stdout).toMatch(/^ {2}chat\.> .*historySize=7/m);
    expect(stdout).not.toContain(SECRET);
    expect(stdout).toEndWith("The configuration is good (config file tickwire.config.json).\n");
  });

  test("is one JSON object with --json", async () => {
    await using folder = await TempFolder.create();
    await folder.write("mine.json", '{"port":9400}');
    const { code, stdout } = await runCli(["check", "mine.json", "--json"], {
      cwd: folder.path,
      env: { TICKWIRE_TOKEN_SECRET: SECRET },
    });
    expect(code).toBe(0);
    const config = JSON.parse(stdout) as Record<string, unknown>;
    expect(Object.keys(config).toSorted()).toEqual([...OPTION_NAMES].toSorted());
    expect(config).toMatchObject({ port: 9400, tokenSecret: "(hidden)" });
  });
});

describe("a bad configuration", () => {
  test("exits with 1 and lists every problem", async () => {
    await using folder = await TempFolder.create();
    const file = await folder.write("bad.json", '{"prot":1,"historySize":-1,"log":"xml"}');
    const { code, stdout, stderr } = await runCli(["check", file], { cwd: folder.path });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("3 problems");
    expect(stderr).toContain("did you mean port?");
    expect(stderr).toContain("historySize in bad.json: -1 is out of range");
    expect(stderr).toContain("log in bad.json");
  });

  test("is a file that is not there, or does not parse", async () => {
    await using folder = await TempFolder.create();
    const { code, stderr } = await runCli(["check", "none.json"], { cwd: folder.path });
    expect(code).toBe(1);
    expect(stderr).toContain("there is no file none.json");
    const file = await folder.write("broken.ts", "export default {");
    const broken = await runCli(["check", file]);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain("cannot be loaded");
    expect(broken.stderr).not.toMatch(/^ +at /m);
  });
});

test.each([
  { args: "one.json two.json" },
  { args: "--json one.json two.json" },
  { args: "one.json --port 1 two.json" },
  { args: "one.json --prot 1" },
  { args: "--config" },
])("$args: wrong usage, whatever a file holds", async ({ args }) => {
  const { code, stdout, stderr } = await runCli(["check", ...args.split(" ")]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).not.toContain("there is no file");
  expect(stderr).toEndWith("\nTry: tickwire check --help\n");
});

describe("transforms", () => {
  const MODULE = `
    const schema = { "~standard": { version: 1, vendor: "test", validate: (given) =>
      typeof given.min === "number"
        ? { value: given }
        : { issues: [{ path: ["min"], message: "must be a number" }] } } };
    export default {
      api: 1, name: "floor", version: "1.0.0", config: schema, failClosed: true,
      setup: () => { throw new Error("check must not set anything up"); },
      process: (batch) => batch.map(() => ({ type: "pass" })),
    };`;

  test("a binding names a module that is there, exports a transform and takes its configuration", async () => {
    await using folder = await TempFolder.create();
    await folder.write("floor.ts", MODULE);
    await folder.write("no-transform.ts", "export const other = 1;");
    await folder.write("syntax.ts", "export default {");
    const binding = { channels: ["q.>"], onError: "nack" };
    const bad = [
      { ...binding, use: "./gone.ts", id: "missing" },
      { ...binding, use: "no-such-package" },
      { ...binding, use: "./no-transform.ts" },
      { ...binding, use: "./syntax.ts" },
      { ...binding, use: "./floor.ts", id: "a", config: { min: "x" } },
      { ...binding, use: "./floor.ts", id: "b", config: { min: 1 }, onError: "pass" },
    ];
    const file = await folder.write("bad.json", JSON.stringify({ transforms: bad }));
    const { code, stdout, stderr } = await runCli(["check", file], { cwd: folder.path });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const lines = stderr.trimEnd().split("\n").slice(1);
    const says = [
      `transform "missing": cannot find "./gone.ts" from ${folder.path}`,
      `transform "no-such-package": cannot find "no-such-package" from ${folder.path}`,
      'transform "no-transform": the module must export a transform, as default or as `transform`; it exports other',
      'transform "syntax": SyntaxError: ',
      'transform "a": the configuration is refused: min: must be a number',
      'transform "b": floor must not be left out when it fails: onError cannot be "pass"',
    ];
    expect(lines).toHaveLength(says.length);
    for (const [index, line] of lines.entries()) {
      expect(line).toStartWith(`  - transforms in bad.json: ${says[index]}`);
    }
    expect(lines[3]).toEndWith(`(${folder.path}/syntax.ts:1)`);
  });

  test("a good one is listed", async () => {
    await using folder = await TempFolder.create();
    await folder.write("floor.ts", MODULE);
    const good = { use: "./floor.ts", channels: ["q.>"], config: { min: 1 }, onError: "nack" };
    await folder.write("tickwire.config.json", JSON.stringify({ transforms: [good] }));
    const { code, stdout, stderr } = await runCli(["check"], { cwd: folder.path });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("  floor  ./floor.ts  channels=q.> onError=nack workers=1");
  });
});
