import { describe, expect, test } from "bun:test";
import { cp } from "node:fs/promises";
import { join } from "node:path";

import { Checkout, NPM, outcomeOf } from "./checkout.ts";

const CI_RUN = join(import.meta.dir, "..", "..", ".ci", "run");
const BASH = Bun.which("bash");
const TOTAL = "1 passed, 0 failed, 0 skipped";
/** The steps in their order; each says its name, and the last prints a total as `npm test` does. */
const STEPS = {
  lint: "echo did lint $CI",
  "format:check": "echo did format",
  typecheck: "cat && echo did typecheck >&2",
  test: `echo did test && echo "${TOTAL}"`,
};

/** Runs .ci/run on such scripts, from another folder and with both outputs in one. */
async function runChecks(scripts: Record<string, string>) {
  await using checkout = await Checkout.make({}, { scripts });
  await checkout.useNpm();
  for (const name of ["bash", "dirname", "cat"]) {
    await checkout.onPath(name, Bun.which(name) ?? "");
  }
  await cp(CI_RUN, checkout.at(".ci/run"));
  const command = ["/bin/sh", "-c", `"$0" 2>&1`, checkout.at(".ci/run")];
  const { stdout, exitCode } = await outcomeOf(
    checkout.spawn(command, { cwd: checkout.at("home") }),
  );
  return { lines: stdout.trimEnd().split("\n"), exitCode };
}

describe.concurrent.skipIf(NPM === undefined || BASH === null)(
  ".ci/run (skipped without npm or bash)",
  () => {
    test("runs all steps, cheap ones first, and ends with the total", async () => {
      const { lines, exitCode } = await runChecks(STEPS);
      const did = lines.filter((line) => line.startsWith("did "));
      expect(did).toEqual(["did lint true", "did format", "did typecheck", "did test"]);
      expect(lines.at(-1)).toBe(TOTAL);
      expect(exitCode).toBe(0);
    });

    test("stops at the first step that fails, with its exit code", async () => {
      const { lines, exitCode } = await runChecks({ ...STEPS, "format:check": "exit 7" });
      expect(lines.filter((line) => line.startsWith("did "))).toEqual(["did lint true"]);
      expect(exitCode).toBe(7);
    });

    test("ends with the total of a failing run too", async () => {
      const failing = "0 passed, 1 failed, 0 skipped";
      const { lines, exitCode } = await runChecks({
        ...STEPS,
        test: `echo "${failing}" && exit 1`,
      });
      expect(lines.at(-1)).toBe(failing);
      expect(exitCode).toBe(1);
    });
  },
);
