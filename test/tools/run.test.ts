import { describe, expect, test } from "bun:test";

import { Checkout, NODE, outcomeOf, RUNTIMES } from "./checkout.ts";

const ECHO = `
const stdin = await Bun.stdin.text();
console.log(JSON.stringify({ args: process.argv.slice(2), cwd: process.cwd(), stdin, bun: Bun.version, mark: process.env.MARK }));
`;

for (const { name, program = "" } of RUNTIMES) {
  describe.skipIf(program === "")(`the launcher under ${name}`, () => {
    test("hands arguments, folder and input to a file under the pinned Bun", async () => {
      await using checkout = await Checkout.makeReady({ "cli/echo.ts": ECHO });
      const cwd = checkout.at("home");
      const started = checkout.start(program, ["cli/echo.ts", "a", "b c", "--", "-x"], { cwd });
      await started.stdin.write("typed");
      const { stdout, stderr, exitCode } = await outcomeOf(started);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      expect(JSON.parse(stdout)).toEqual({
        args: ["a", "b c", "--", "-x"],
        cwd,
        stdin: "typed",
        bun: Bun.version,
      });
    });

    test("adds no byte to the command's output", async () => {
      const script = `process.stdout.write(new Uint8Array([0, 255, 10, 13, 1])); process.stderr.write("e");`;
      await using checkout = await Checkout.makeReady({ "raw.ts": script });
      const started = checkout.start(program, ["raw.ts"]);
      const stdout = await new Response(started.stdout).bytes();
      const stderr = await new Response(started.stderr).text();
      expect([...stdout]).toEqual([0, 255, 10, 13, 1]);
      expect(stderr).toBe("e");
    });

    test("ends with the exit code of the command", async () => {
      await using checkout = await Checkout.makeReady({ "exit.ts": "process.exit(37);" });
      const { exitCode } = await checkout.launch(program, ["exit.ts"]);
      expect(exitCode).toBe(37);
    });

    test("ends with 128 + n when the command dies of signal n", async () => {
      const script = `process.kill(process.pid, process.argv[2]);\nsetInterval(() => {}, 1000);`;
      await using checkout = await Checkout.makeReady({ "die.ts": script });
      const codes = await Promise.all(
        ["SIGKILL", "SIGTERM", "SIGHUP"].map((s) => checkout.launch(program, ["die.ts", s])),
      );
      expect(codes.map(({ exitCode }) => exitCode)).toEqual([137, 143, 129]);
    });

    test("runs a package binary where there is no node", async () => {
      await using checkout = await Checkout.makeReady({
        "node_modules/thing/bin/thing": `#!/usr/bin/env node\nconsole.log(process.versions.bun, ...process.argv.slice(2));`,
      });
      await checkout.link("../thing/bin/thing", "node_modules/.bin/thing");
      const { stdout, exitCode } = await checkout.launch(program, [
        "--bin",
        "thing",
        "--flag",
        "x",
      ]);
      expect(stdout).toBe(`${Bun.version} --flag x\n`);
      expect(exitCode).toBe(0);
      const unknown = await checkout.launch(program, ["--bin", "nothing"]);
      expect(unknown).toEqual({
        stdout: "",
        stderr: 'tickwire: there is no package binary "nothing"\n',
        exitCode: 2,
      });
    });

    test("runs a command of Bun itself", async () => {
      await using checkout = await Checkout.makeReady({ "ugly.ts": "const   x = 1" });
      const { exitCode } = await checkout.launch(program, ["--bun", "fmt", "ugly.ts"]);
      expect(exitCode).toBe(0);
      expect(await Bun.file(checkout.at("ugly.ts")).text()).toBe("const x = 1;\n");
    });

    test("says how it is used when it is told nothing to run", async () => {
      await using checkout = await Checkout.makeReady();
      const outcomes = await Promise.all([
        checkout.launch(program, []),
        checkout.launch(program, ["--bin"]),
      ]);
      for (const { stdout, stderr, exitCode } of outcomes) {
        expect(stderr).toStartWith("usage: ");
        expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
      }
    });

    test("the tickwire binary runs the command line from any folder, also through a link", async () => {
      await using checkout = await Checkout.makeReady({ "cli/main.ts": ECHO });
      await checkout.link("../tools/tickwire.mjs", "links/tickwire");
      const cwd = checkout.at("home");
      const command = [program, checkout.at("links/tickwire"), "pub", "x"];
      const { stdout, stderr } = await outcomeOf(checkout.spawn(command, { cwd }));
      expect(stderr).toBe("");
      expect(JSON.parse(stdout)).toMatchObject({ args: ["pub", "x"], cwd });
    });
  });
}

// Not under Bun, which reads the settings of its folder before it comes to the launcher.
test.skipIf(NODE === undefined)(
  "the command takes no settings from the folder it is called in",
  async () => {
    await using checkout = await Checkout.makeReady({
      "echo.ts": ECHO,
      "home/.env": "MARK=from-env-file",
      "home/bunfig.toml": `preload = ["./preload.ts"]`,
      "home/preload.ts": `console.log("preloaded");`,
    });
    const cwd = checkout.at("home");
    const { stdout } = await checkout.launch(NODE ?? "", ["echo.ts"], { cwd });
    expect(JSON.parse(stdout)).toMatchObject({ cwd });
    expect(stdout).not.toContain("from-env-file");
  },
);
