import { describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";

import { Checkout, NODE, NPM, outcomeOf, RUNTIMES } from "./checkout.ts";
import { LIBRARY, Registry } from "./registry.ts";

const HELLO = { "hello.ts": `console.log("hello from " + Bun.version);` };
const GREETING = `hello from ${Bun.version}\n`;
const INSTALLING_BUN = `tickwire: installing Bun ${Bun.version} ...\n`;
const INSTALLING_PACKAGES = "tickwire: installing packages ...\n";
/** No such version was released, so whatever Bun there is, is another one. */
const OTHER_VERSION = "0.0.1";
const CLOSED_PORT = { npm_config_registry: "http://127.0.0.1:1/" };

describe("the pinned Bun", () => {
  for (const { name, program = "" } of RUNTIMES) {
    test.skipIf(program === "")(`is used as it lies in .tickwire, under ${name}`, async () => {
      await using checkout = await Checkout.makeReady(HELLO);
      const done = await checkout.launch(program, ["hello.ts"]);
      expect(done).toEqual({ stdout: GREETING, stderr: "", exitCode: 0 });
    });
  }

  test("is fetched by a Bun of another version where there is no npm", async () => {
    await using registry = await Registry.start(OTHER_VERSION);
    await using checkout = await Checkout.make(HELLO, { bunVersion: OTHER_VERSION });
    const { env } = registry;
    const first = await checkout.launch(process.execPath, ["hello.ts"], { env });
    const said = `tickwire: installing Bun ${OTHER_VERSION} ...\n${INSTALLING_PACKAGES}`;
    expect(first).toEqual({ stdout: GREETING, stderr: said, exitCode: 0 });
    const second = await checkout.launch(process.execPath, ["hello.ts"], { env });
    expect(second).toEqual({ stdout: GREETING, stderr: "", exitCode: 0 });
  });

  test("is missed in one sentence where that Bun reaches no registry", async () => {
    await using checkout = await Checkout.make(HELLO, { bunVersion: OTHER_VERSION });
    const done = await checkout.launch(process.execPath, ["hello.ts"], { env: CLOSED_PORT });
    const { stdout, stderr, exitCode } = done;
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toContain(`could not install Bun ${OTHER_VERSION}`);
    expect(stderr).toContain("ConnectionRefused");
    expect(stderr).toContain(`put Bun ${OTHER_VERSION} on the PATH`);
  });

  test("is the one that runs the launcher, if it is that version", async () => {
    await using checkout = await Checkout.make(HELLO);
    const done = await checkout.launch(process.execPath, ["hello.ts"]);
    expect(done).toEqual({ stdout: GREETING, stderr: INSTALLING_PACKAGES, exitCode: 0 });
  });
});

describe.skipIf(NODE === undefined)("the pinned Bun for Node (skipped without Node)", () => {
  const node = NODE ?? "";

  test("is missed in one sentence where there is neither npm nor any Bun", async () => {
    await using checkout = await Checkout.make(HELLO);
    const { stdout, stderr, exitCode } = await checkout.launch(node, ["hello.ts"]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toContain("there is no npm to install it. Install Node.js with npm, or put Bun");
    expect(stderr).not.toMatch(/ {2,}at /);
  });

  test("is taken from the PATH, and asked for its version only once", async () => {
    await using checkout = await Checkout.make(HELLO);
    const counting = `#!/bin/sh\necho "$1" >> "${checkout.at("asked")}"\nexec "${process.execPath}" "$@"\n`;
    await checkout.write("path/bun", counting);
    const first = await checkout.launch(node, ["hello.ts"]);
    const second = await checkout.launch(node, ["hello.ts"]);
    expect(first).toEqual({ stdout: GREETING, stderr: INSTALLING_PACKAGES, exitCode: 0 });
    expect(second).toEqual({ stdout: GREETING, stderr: "", exitCode: 0 });
    const asked = await Bun.file(checkout.at("asked")).text();
    expect(asked.split("\n").filter((arg) => arg === "--version")).toHaveLength(1);
  });

  test("is not taken from the PATH when it was replaced by another version there", async () => {
    await using checkout = await Checkout.make(HELLO);
    await checkout.write("path/bun", `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
    expect((await checkout.launch(node, ["hello.ts"])).exitCode).toBe(0);
    await checkout.write("path/bun", `#!/bin/sh\n[ "$1" = --version ] && echo 0.0.2\n`);
    const { stderr, exitCode } = await checkout.launch(node, ["hello.ts"], { env: CLOSED_PORT });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`could not install Bun ${Bun.version}`);
  });
});

describe.concurrent.skipIf(NPM === undefined)(
  "an installation with npm (skipped without npm)",
  () => {
    const node = NODE ?? "";

    test("brings Bun and the packages, then is silent", async () => {
      await using registry = await Registry.start();
      await using checkout = await Checkout.make(HELLO);
      await checkout.useNpm();
      const { env } = registry;
      const first = await checkout.launch(node, ["hello.ts"], { env });
      expect(first.stderr).toBe(INSTALLING_BUN + INSTALLING_PACKAGES);
      expect(first).toMatchObject({ stdout: GREETING, exitCode: 0 });
      const second = await checkout.launch(node, ["hello.ts"], { env });
      expect(second).toEqual({ stdout: GREETING, stderr: "", exitCode: 0 });
      expect(await readdir(checkout.at(".tickwire"))).toEqual([`bun-${Bun.version}`]);
      expect(registry.fetchCount).toBe(1);
    });

    test("happens once when several launchers start at once", async () => {
      await using registry = await Registry.start();
      await using checkout = await Checkout.make(HELLO);
      await checkout.useNpm();
      const { env } = registry;
      const outcomes = await Promise.all(
        [1, 2, 3].map(() => checkout.launch(node, ["hello.ts"], { env })),
      );
      for (const { stdout, exitCode } of outcomes) {
        expect({ stdout, exitCode }).toEqual({ stdout: GREETING, exitCode: 0 });
      }
      const said = outcomes.map(({ stderr }) => stderr).join("");
      expect(said.split(INSTALLING_BUN)).toHaveLength(2);
      expect(said.split(INSTALLING_PACKAGES)).toHaveLength(2);
      expect(registry.fetchCount).toBe(1);
    });

    test.each(["SIGTERM", "SIGKILL"] as const)(
      "that was ended by %s half way does not spoil the next",
      async (signal) => {
        await using registry = await Registry.start();
        await using checkout = await Checkout.make(HELLO);
        await checkout.useNpm();
        const { env } = registry;
        registry.hold();
        // The launcher leads a group, so that the installer can be ended with it.
        const started = checkout.start(node, ["hello.ts"], { env, detached: true });
        await registry.whenFetched();
        process.kill(signal === "SIGKILL" ? -started.pid : started.pid, signal);
        expect(await started.exited).toBe(signal === "SIGKILL" ? 137 : 143);
        expect(await readdir(checkout.at(".tickwire"))).toContain("setup.lock");

        registry.release();
        const next = await checkout.launch(node, ["hello.ts"], { env });
        expect(next.stderr).toBe(INSTALLING_BUN + INSTALLING_PACKAGES);
        expect(next).toMatchObject({ stdout: GREETING, exitCode: 0 });
        expect(await readdir(checkout.at(".tickwire"))).toEqual([`bun-${Bun.version}`]);
      },
    );

    test("that cannot reach the registry says so, and what to do", async () => {
      await using checkout = await Checkout.make(HELLO);
      await checkout.useNpm();
      const done = await checkout.launch(node, ["hello.ts"], { env: CLOSED_PORT });
      const { stdout, stderr, exitCode } = done;
      expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
      expect(stderr).toContain(
        `could not install Bun ${Bun.version}. Check that the package registry`,
      );
      expect(stderr).toContain("ECONNREFUSED");
      expect(stderr).not.toMatch(/ {2,}at /);
      expect(await readdir(checkout.at(".tickwire"))).toEqual([]);
    });
  },
);

describe("the packages", () => {
  const bun = process.execPath;
  const USING = { "use.ts": `import { said } from "${LIBRARY}";\nconsole.log(said);` };
  const dependencies = { [LIBRARY]: "1.0.0" };
  const INSTALLED = { stdout: "one\n", stderr: INSTALLING_PACKAGES, exitCode: 0 };
  const SILENT = { ...INSTALLED, stderr: "" };

  /** A checkout with a dependency and its lock file, which installs from this registry. */
  async function makeDependent({ env }: Registry) {
    const checkout = await Checkout.make(USING, { dependencies });
    Object.assign(checkout.env, env);
    const install = await outcomeOf(checkout.spawn([bun, "install", "--lockfile-only"], {}));
    if (install.exitCode !== 0) throw new Error(install.stderr);
    return checkout;
  }

  test("are installed once, and again when package.json changes", async () => {
    await using registry = await Registry.start();
    await using checkout = await makeDependent(registry);
    expect(await checkout.launch(bun, ["use.ts"])).toEqual(INSTALLED);
    expect(await checkout.launch(bun, ["use.ts"])).toEqual(SILENT);
    await checkout.writeManifest({ dependencies, scripts: { added: "true" } });
    expect(await checkout.launch(bun, ["use.ts"])).toEqual(INSTALLED);
    expect(await checkout.launch(bun, ["use.ts"])).toEqual(SILENT);
  });

  test("are installed anew after an installation that was cut short", async () => {
    await using registry = await Registry.start();
    await using checkout = await makeDependent(registry);
    expect(await checkout.launch(bun, ["use.ts"])).toEqual(INSTALLED);
    // What an interrupted run leaves: its mark, and a package that is named but not whole. Bun goes by
    // the name, and would leave it as it is.
    await Bun.write(checkout.at("node_modules/.tickwire-stamp"), "unfinished");
    await Bun.file(checkout.at("node_modules", LIBRARY, "index.js")).delete();
    expect(await checkout.launch(bun, ["use.ts"])).toEqual(INSTALLED);
  });

  test("are not guessed when bun.lock does not fit package.json", async () => {
    await using registry = await Registry.start();
    await using checkout = await makeDependent(registry);
    await checkout.writeManifest({ dependencies: { ...dependencies, bun: "*" } });
    for (const attempt of [1, 2]) {
      const { stdout, stderr, exitCode } = await checkout.launch(bun, ["use.ts"]);
      expect({ attempt, stdout, exitCode }).toEqual({ attempt, stdout: "", exitCode: 1 });
      expect(stderr).toContain("could not install the packages of bun.lock");
      expect(stderr).toContain("lockfile is frozen");
    }
    await checkout.writeManifest({ dependencies });
    expect(await checkout.launch(bun, ["use.ts"])).toEqual(INSTALLED);
  });
});
