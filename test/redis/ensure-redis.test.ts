// tools/redis.mjs, on a PATH that holds nothing but what a test puts there. Package managers are small scripts
// that do what the real ones do: here, put a redis-server on the PATH.
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";

import { describeWithRedis, redisServerProgram } from "../support/redis/binary.ts";
import { Checkout, outcomeOf, RUNTIMES } from "../tools/checkout.ts";
import type { Started } from "../tools/checkout.ts";

const REDIS_7 = `#!/bin/sh\necho "Redis server v=7.2.4 sha=00000000:0 malloc=libc bits=64"\n`;
const REDIS_6 = REDIS_7.replace("7.2.4", "6.0.16");
const INSTALLING = "tickwire: installing redis-server for the tests ...\n";
const WAITING = "tickwire: waiting for another process that is installing redis-server ...\n";
const SUCCESS = { stdout: "", stderr: "", exitCode: 0 };

/** Whether services may be started. The script leaves one that is there as it is; we make none here. */
const POLICY = "/usr/sbin/policy-rc.d";
const TOOLS = ["timeout", "sed"].map((name) => [name, Bun.which(name)] as const);
const canPlayDebian =
  TOOLS.every(([, program]) => program !== null) &&
  (process.getuid?.() !== 0 || existsSync(POLICY));

function start(checkout: Checkout, env: Record<string, string> = {}, program = process.execPath) {
  return checkout.spawn([program, checkout.at("tools/redis.mjs")], { env });
}

function run(checkout: Checkout, env: Record<string, string> = {}, program = process.execPath) {
  return outcomeOf(start(checkout, env, program));
}

/** A shell command that puts a redis-server on the PATH. */
function installTo(checkout: Checkout): string {
  return `${Bun.which("ln")} -s '${checkout.at("redis-7")}' '${checkout.at("path/redis-server")}'`;
}

/** A machine with apt-get, whose redis-server is of this version. `onInstall` is shell. */
async function makeDebian(version: string, onInstall = "install-redis"): Promise<Checkout> {
  const checkout = await Checkout.make({ "redis-7": REDIS_7 });
  for (const [name, program] of TOOLS) await checkout.onPath(name, program ?? "");
  const programs = {
    sudo: 'shift; "$@"',
    "apt-cache": `echo "redis-server:"; echo "  Installed: (none)"; echo "  Candidate: ${version}"`,
    "apt-get": `echo "$*" >>'${checkout.at("apt.log")}'
case "$*" in *" install "*) ;; *) exit 0 ;; esac
${onInstall}`,
    "install-redis": installTo(checkout),
  };
  for (const [name, script] of Object.entries(programs)) {
    await checkout.write(`path/${name}`, `#!/bin/sh\n${script}\n`);
  }
  return checkout;
}

async function installations(checkout: Checkout): Promise<string[]> {
  const log = await Bun.file(checkout.at("apt.log")).text();
  return log.split("\n").filter((line) => line.includes(" install"));
}

describeWithRedis("the real redis-server", () => {
  for (const { name, program = "" } of RUNTIMES) {
    test.skipIf(program === "")(`is found on the PATH without a word, under ${name}`, async () => {
      await using checkout = await Checkout.make();
      await checkout.onPath("redis-server", redisServerProgram());
      expect(await run(checkout, {}, program)).toEqual(SUCCESS);
      expect(existsSync(checkout.at(".tickwire"))).toBe(false);
    });
  }
});

describe("a redis-server", () => {
  test("named by TICKWIRE_REDIS_SERVER is taken instead of one on the PATH", async () => {
    await using checkout = await Checkout.make({ "path/redis-server": REDIS_6, "mine/r": REDIS_7 });
    expect(await run(checkout, { TICKWIRE_REDIS_SERVER: checkout.at("mine/r") })).toEqual(SUCCESS);
  });

  test("named by TICKWIRE_REDIS_SERVER must be one, and new enough", async () => {
    await using checkout = await Checkout.make({ "path/redis-server": REDIS_7, "mine/r": REDIS_6 });
    for (const named of [checkout.at("mine/r"), checkout.at("mine/nothing"), "/bin/sh"]) {
      const { stdout, stderr, exitCode } = await run(checkout, { TICKWIRE_REDIS_SERVER: named });
      expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
      expect(stderr).toContain(`TICKWIRE_REDIS_SERVER is ${named}, which is no redis-server of`);
    }
  });

  test("that is new enough is found behind an old one on the PATH", async () => {
    await using checkout = await Checkout.make({ "path/redis-server": REDIS_6 });
    await checkout.write("later/redis-server", REDIS_7);
    const path = `${checkout.at("path")}:${checkout.at("later")}`;
    expect(await run(checkout, { PATH: path })).toEqual(SUCCESS);
  });

  test("that cannot be had is missed in one paragraph that says what to do", async () => {
    await using checkout = await Checkout.make();
    const { stdout, stderr, exitCode } = await run(checkout);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toContain("It is not on the PATH, and it cannot be installed from here.");
    expect(stderr).toContain("sudo apt-get install redis-server");
    expect(stderr.trimEnd().split("\n").length).toBe(1);
  });

  test("that is too old is said to be", async () => {
    await using checkout = await Checkout.make({ "path/redis-server": REDIS_6 });
    const { stderr, exitCode } = await run(checkout);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`on the PATH (${checkout.at("path/redis-server")}) is older`);
  });

  test("comes from Homebrew where that is what there is", async () => {
    await using checkout = await Checkout.make({ "redis-7": REDIS_7 });
    const brew = `#!/bin/sh\n[ "$*" = "install redis" ] && ${installTo(checkout)}\n`;
    await checkout.write("path/brew", brew);
    expect(await run(checkout)).toEqual({ ...SUCCESS, stderr: INSTALLING });
    expect(await run(checkout)).toEqual(SUCCESS);
  });
});

describe.skipIf(!canPlayDebian)("on a machine with apt-get, a missing redis-server", () => {
  test("is installed, and then found", async () => {
    await using checkout = await makeDebian("5:7.0.15-1~deb12u1");
    expect(await run(checkout)).toEqual({ ...SUCCESS, stderr: INSTALLING });
    expect(await run(checkout)).toEqual(SUCCESS);
    const [command = "", ...others] = await installations(checkout);
    expect(command).toEndWith("--no-install-recommends -y install redis-server");
    expect(others).toEqual([]);
  });

  test("is installed once by two that start at the same time", async () => {
    await using checkout = await makeDebian("5:8.0.2-1", "read -r _ <gate; install-redis");
    expect(Bun.spawnSync(["mkfifo", checkout.at("gate")]).exitCode).toBe(0);
    const first = start(checkout);
    const firstLines = linesOf(first);
    expect(await firstLines.next()).toBe(INSTALLING);
    const second = start(checkout);
    const secondLines = linesOf(second);
    expect(await secondLines.next()).toBe(WAITING);
    // Opening it waits until the installer reads it.
    const go = Bun.spawn(["sh", "-c", 'echo go >"$0"', checkout.at("gate")]);
    expect(await go.exited).toBe(0);
    expect(await Promise.all([first.exited, second.exited])).toEqual([0, 0]);
    expect(await installations(checkout)).toHaveLength(1);
  });

  test("is not installed when the package is too old", async () => {
    await using checkout = await makeDebian("5:6.0.16-1ubuntu1");
    const { stderr, exitCode } = await run(checkout);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("the version of the package redis-server is 6 here");
    expect(await installations(checkout)).toEqual([]);
  });

  test("is not installed when there is no such package", async () => {
    await using checkout = await makeDebian("(none)");
    const { stderr, exitCode } = await run(checkout);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("the version of the package redis-server is not known here");
  });

  test("that cannot be installed is reported with what the installer said", async () => {
    await using checkout = await makeDebian("5:7.0.15-1", "echo 'E: no space left' >&2; exit 100");
    const { stdout, stderr, exitCode } = await run(checkout);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toContain("installing it failed");
    expect(stderr).toEndWith("The installer said:\nE: no space left\n");
  });
});

/** What a process says on standard error, as it comes. */
function linesOf(started: Started) {
  const reader = started.stderr.getReader();
  return {
    async next(): Promise<string> {
      const { value } = await reader.read();
      return new TextDecoder().decode(value);
    },
  };
}
