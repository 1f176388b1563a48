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
