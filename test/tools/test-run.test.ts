// test/run.ts and test/support/preload.ts, run on small suites of their own.
import { describe, expect, test } from "bun:test";
import { cp } from "node:fs/promises";
import { join } from "node:path";

import { readSummary } from "../run.ts";
import { Checkout, outcomeOf } from "./checkout.ts";

const TEST_FOLDER = join(import.meta.dir, "..");
const PASSING = `import { test } from "bun:test";\ntest("passes", () => {});\n`;
const FAILING = `import { test } from "bun:test";\ntest("fails", () => { throw new Error("on purpose"); });\n`;

/** A checkout with these test files, the real test/run.ts and the real preload. */
async function makeSuite(files: Record<string, string>): Promise<Checkout> {
  const checkout = await Checkout.make(files);
  await cp(join(TEST_FOLDER, "run.ts"), checkout.at("test/run.ts"));
  await cp(join(TEST_FOLDER, "support/preload.ts"), checkout.at("test/support/preload.ts"));
  return checkout;
}

/** Runs such a suite, and gives what a caller sees: the last line, and the exit code. */
async function runSuite(files: Record<string, string>, args: readonly string[] = []) {
  await using checkout = await makeSuite(files);
  const command = [process.execPath, "test/run.ts", ...args];
  const { stdout, stderr, exitCode } = await outcomeOf(checkout.spawn(command, {}));
  expect(stdout).toEndWith(" skipped\n");
  return { last: stdout.trimEnd().split("\n").at(-1), stdout, stderr, exitCode };
}

function bodyOf(body: string): string {
  return `import { test, expect, afterAll } from "bun:test";\nimport { EventEmitter } from "node:events";\n${body}`;
}

describe("the totals of a run", () => {
  test("sum up all files, and end standard output", async () => {
    const { stdout, stderr, exitCode } = await runSuite({
      "a.test.ts": PASSING,
      "b.test.ts": bodyOf(`test("passes", () => process.stdout.write("no line end"));
        test.skip("is skipped", () => {});
        test.todo("is to do");`),
    });
    expect(stdout).toMatch(/\n2 passed, 0 failed, 2 skipped\n$/);
    expect(stderr).toContain("(pass) passes");
    expect(exitCode).toBe(0);
  });

  test("count failures, and make the exit code 1", async () => {
    const files = { "a.test.ts": PASSING, "b.test.ts": FAILING, "c.test.ts": PASSING };
    const { last, stderr, exitCode } = await runSuite(files);
    expect({ last, exitCode }).toEqual({ last: "2 passed, 1 failed, 0 skipped", exitCode: 1 });
    expect(stderr).toContain("on purpose");
  });

  test("can be of some of the files, or of the tests with some name", async () => {
    const files = {
      "part/a.test.ts": PASSING,
      "b.test.ts": FAILING,
      "c.test.ts": bodyOf(`test("other", () => {});`),
    };
    const ofFolder = await runSuite(files, ["part/"]);
    expect(ofFolder.last).toBe("1 passed, 0 failed, 0 skipped");
    expect(ofFolder.exitCode).toBe(0);
    const ofName = await runSuite(files, ["-t", "other"]);
    expect(ofName.last).toBe("1 passed, 0 failed, 0 skipped");
  });

  test("are not taken from a test that prints the like", async () => {
    const text = " 9 pass\\n 0 fail\\nRan 9 tests across 9 files. [1.00ms]\\n";
    const { last, exitCode } = await runSuite({
      "a.test.ts": bodyOf(`test("fails", () => { process.stderr.write("${text}"); throw 1; });`),
    });
    expect({ last, exitCode }).toEqual({ last: "0 passed, 1 failed, 0 skipped", exitCode: 1 });
  });

  test.each([
    ["when nothing matches", { "a.test.ts": PASSING }, ["nothing-like-it"]],
    ["when everything is skipped", { "a.test.ts": bodyOf(`test.skip("x", () => {});`) }, []],
    ["when there are no tests", { "a.txt": "" }, []],
  ])("do not pass %s", async (_, files: Record<string, string>, args: readonly string[]) => {
    const { last, exitCode } = await runSuite(files, args);
    expect(last).toStartWith("0 passed, ");
    expect(exitCode).toBe(1);
  });

  test("leave out nothing when the run is interrupted: there are none", async () => {
    const waiting = `test("waits", async () => { console.error("is waiting"); await new Promise(() => {}); });`;
    await using checkout = await makeSuite({ "a.test.ts": bodyOf(waiting) });
    const started = checkout.spawn([process.execPath, "test/run.ts"], {});
    const decoder = new TextDecoder();
    let report = "";
    for await (const bytes of started.stderr) {
      report += decoder.decode(bytes, { stream: true });
      if (report.includes("is waiting")) started.kill("SIGINT");
    }
    expect(report).toContain("The run was interrupted; there is no total.");
    expect(await started.exited).toBe(130);
    expect(await new Response(started.stdout).text()).not.toContain("passed");
  });
});

describe("a reader that has had enough", () => {
  test.each([
    { name: "a.test.ts", body: PASSING, code: 0 },
    { name: "b.test.ts", body: FAILING, code: 1 },
  ])("does not change the exit code $code", async ({ name, body, code }) => {
    await using checkout = await makeSuite({ [name]: body });
    const suite = `"${process.execPath}" test/run.ts 2>&1; echo "code $?" >&3`;
    // `true` reads nothing, and has ended long before the summary.
    const shell = checkout.spawn(["sh", "-c", `exec 3>&1; { ${suite}; } | true`], {});
    const { stdout, stderr } = await outcomeOf(shell);
    expect({ stdout, stderr }).toEqual({ stdout: `code ${code}\n`, stderr: "" });
  });
});

describe("a run fails", () => {
  // Each of these would be lost if only failing tests counted.
  test.each([
    [
      "on a rejection nobody awaits",
      `test("x", () => { void Promise.reject(new Error("lost")); });`,
    ],
    [
      "on a rejection that has a listener",
      `process.on("unhandledRejection", () => {});
       test("x", () => { void Promise.reject(new Error("lost")); });`,
    ],
    [
      "on an exception in a timer during a later test",
      `const { promise, resolve } = Promise.withResolvers();
       test("x", () => { setTimeout(() => { queueMicrotask(resolve); throw new Error("lost"); }, 1); });
       test("y", () => promise);`,
    ],
    [
      "on an exception in a timer that is due after the last test",
      `test("x", () => { setTimeout(() => { throw new Error("lost"); }, 1); });`,
    ],
    [
      "on a rejection after the last test, with fake timers left behind",
      `import { jest } from "bun:test";
       test("x", () => {
         setImmediate(() => setImmediate(() => { void Promise.reject(new Error("lost")); }));
         jest.useFakeTimers();
       });`,
    ],
    [
      "on an error event without a listener",
      `test("x", () => { setImmediate(() => new EventEmitter().emit("error", new Error("lost"))); });`,
    ],
    [
      "on a rejection in afterAll",
      `test("x", () => {});\nafterAll(() => { void Promise.reject(new Error("lost")); });`,
    ],
    ["on a file that cannot be loaded", `throw new Error("lost");`],
    ["on a process that a test ends with code 0", `test("x", () => process.exit(0)); // lost`],
    [
      "on a process that a test kills",
      `test("x", () => process.kill(process.pid, "SIGKILL")); // lost`,
    ],
  ])("%s", async (_, body) => {
    const alone = await runSuite({ "a.test.ts": bodyOf(body) });
    expect(alone.last).toMatch(/^[01] passed, 1 failed, 0 skipped$/);
    expect(alone.exitCode).not.toBe(0);
    const beside = await runSuite({ "a.test.ts": bodyOf(body), "b.test.ts": PASSING });
    expect(beside.last).toMatch(/^[12] passed, 1 failed, 0 skipped$/);
    expect(beside.exitCode).not.toBe(0);
  });
});

describe("reading the closing block", () => {
  const block = ` 18 pass\n 1 skip\n 1 todo\n 0 fail\n 2 snapshots, 9 expect() calls\nRan 20 tests across 3 files. [316.00ms]\n`;

  test("adds a todo to what was skipped", () => {
    expect(readSummary(`x.test.ts:\n\n${block}`)).toEqual({ passed: 18, failed: 0, skipped: 2 });
  });

  test("counts an error outside of tests as a failure, and a broken file once", () => {
    const stray = "\n 3 pass\n 0 fail\n 1 error\nRan 3 tests across 1 file. [1.00ms]\n";
    expect(readSummary(stray)).toEqual({ passed: 3, failed: 1, skipped: 0 });
    const broken = "\n 0 pass\n 2 fail\n 2 errors\nRan 2 tests across 2 files. [1.00ms]\n";
    expect(readSummary(broken)).toEqual({ passed: 0, failed: 2, skipped: 0 });
  });

  test("sees through colours", () => {
    const coloured = "\n\u001b[32m 1 pass\u001b[0m\n 0 fail\nRan 1 test across 1 file. [6.00ms]\n";
    expect(readSummary(coloured)).toEqual({ passed: 1, failed: 0, skipped: 0 });
  });

  test("does not believe a block that does not add up, and finds none where there is none", () => {
    expect(
      readSummary("\n 1 pass\n 0 fail\nRan 2 tests across 1 file. [1.00ms]\n"),
    ).toBeUndefined();
    expect(readSummary("a.test.ts:\n(pass) x\n")).toBeUndefined();
  });
});
