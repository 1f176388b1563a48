import { describe, expect, test } from "bun:test";

import { COMMANDS } from "../../cli/commands.ts";
import { runCli } from "../support/process.ts";

const NAMES = Object.keys(COMMANDS);
const MAX_WIDTH = 100;

describe("help", () => {
  test("without arguments lists every command, on standard output", async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const name of NAMES) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
    expect((await runCli(["--help"])).stdout).toBe(stdout);
    expect((await runCli(["help"])).stdout).toBe(stdout);
    expect((await runCli(["help", "pub"])).stdout).toBe((await runCli(["pub", "-h"])).stdout);
  });

  test.each(NAMES.filter((name) => name !== "help"))("explains %s", async (name) => {
    const asked = await runCli([name, "--help"]);
    expect({ code: asked.code, stderr: asked.stderr }).toEqual({ code: 0, stderr: "" });
    expect(asked.stdout).toStartWith(`tickwire ${name}`);
    // The options of the benchmark are in its own words and width.
    if (name === "bench") return;
    for (const line of asked.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(MAX_WIDTH);
  });

  test("serve names every option of the configuration", async () => {
    const { OPTION_NAMES, flagOf, variableOf } = await import("../../broker/config/options.ts");
    const { stdout } = await runCli(["serve", "-h"]);
    for (const name of OPTION_NAMES) {
      expect(stdout).toContain(flagOf(name));
      expect(stdout).toContain(variableOf(name));
    }
  });

  test("what follows -- is no option", async () => {
    const { code, stderr } = await runCli(["version", "--", "--help"]);
    expect(code).toBe(2);
    expect(stderr).toContain("takes no arguments");
  });
});

describe("wrong usage", () => {
  const cases: [args: string[], sentence: string][] = [
    [["sreve"], "there is no command sreve; did you mean serve?"],
    [["--verbose"], "there is no command --verbose"],
    [["help", "nothing"], "there is no command nothing"],
    [["help", "presense"], "there is no command presense"],
    [["help", "serv"], "there is no command serv; did you mean serve?"],
    [["version", "now"], "takes no arguments"],
    [["serve", "--prot", "1"], "--prot is not an option; did you mean --port?"],
    [["serve", "--port", "abc"], '--port "abc" is not a number'],
    [["check", "--prot=1"], "did you mean --port?"],
    [["pub"], "needs a channel"],
    [["pub", "a.*", "x"], "a.* is a pattern"],
    [["pub", "a b", "x"], '"a b" is no channel name'],
    [["pub", "a", "x", "y"], "put quotes around"],
    [["pub", "a", "x", "--file", "y"], "takes either a payload or --file"],
    [["pub", "a", "--rate", "10", "--pace-by", "ts"], "exclude each other"],
    [["pub", "a", "--speed", "2"], "--speed needs --pace-by"],
    [["pub", "a", "--rate", "0"], "--rate must be a number above 0"],
    [["pub", "a", "--window", "0"], "--window must be a whole number, 1 to 1024"],
    [["pub", "a", "--give-up", "1h"], "at most 2m;"],
    [["pub", "a", "--fiel", "x"], "there is no option --fiel; did you mean --file?"],
    [["pub", "a", "--file"], "--file"],
    [["pub", "a", "x", "--url", "ftp://b"], '"ftp://b" is no URL of a broker'],
    [["sub"], "needs a channel or a pattern"],
    [["sub", "a", "--raw", "--json"], "exclude each other"],
    [["sub", "a", "--count", "-1"], "one that begins with - is given as --count=<value>\n"],
    [["pub", "a", "-dash"], "what begins with - and is no option goes after --"],
    [["pub", "a", "x", "--pace-by", "ts"], "--pace-by is for lines"],
    [["pub", "a", "x", "--rate", "5"], "--rate is for lines"],
    [["sub", "a", "--count", "many"], "--count must be a whole number"],
    [["sub", "a", "--last", "5", "--since", "1@e"], "exclude each other"],
    [["sub", "a", "b.>", "--last", "5"], "not for patterns such as b.>"],
    [["sub", "a", "--last", "1001"], "1 to 1000"],
    [["sub", "a", "b", "--since", "1@e"], "--since is for one channel"],
    [["sub", "a", "--since", "5"], "<offset>@<epoch>"],
    [["sub", "a", "--timeout", "soon"], "--timeout must be a duration"],
    [["token"], "--sub is required"],
    [["token", "--sub", "a"], "needs a key"],
    [["token", "--sub", "a", "--alg", "none"], "--alg must be one of"],
    [["token", "--sub", "a", "--publish", "b..c"], '"b..c" is no channel name'],
    [["token", "a"], "takes no arguments"],
    [["demo", "feed.csv"], "takes no arguments"],
    [["demo", "--speed", "2"], "--speed needs --file"],
    [["demo", "--rate", "1", "--file", "x"], "not for --file"],
  ];

  test.each(cases)("%j exits with 2 and says what is wrong", async (args, sentence) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/^Try: tickwire .*$/m);
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

test("version names Tickwire, its protocol and Bun", async () => {
  const { code, stdout } = await runCli(["version"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^tickwire \d+\.\d+\.\d+ \(protocol \d+, Bun \d+\.\d+\.\d+\)\n$/);
  expect((await runCli(["--version"])).stdout).toBe(stdout);
});
