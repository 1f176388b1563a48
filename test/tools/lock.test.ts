import { describe, expect, test } from "bun:test";

import { Checkout, outcomeOf, RUNTIMES } from "./checkout.ts";

/** Goes in, says so, stays until its input ends, and goes out. */
const HOLD = `
import { withLock } from "./tools/lock.mjs";
const options = { limitMs: Number(process.argv[2]), onWait: () => console.log("waiting") };
try {
  await withLock("state/lock", options, async () => {
    console.log("in");
    for await (const _ of process.stdin) continue;
    console.log("out");
  });
} catch (error) {
  console.log(error.code);
}
`;
/** Adds one to a number in a file, in a way that loses counts when two do it at once. */
const COUNT = `
import { readFile, writeFile } from "node:fs/promises";
import { withLock } from "./tools/lock.mjs";
for (let round = 0; round < 5; round++) {
  await withLock("state/lock", { limitMs: 60_000, onWait() {} }, async () => {
    const count = Number(await readFile("count", "utf8"));
    await new Promise((resolve) => setImmediate(resolve));
    await writeFile("count", String(count + 1));
  });
}
`;
const LONG_MS = "60000";

for (const { name, program = "" } of RUNTIMES) {
  describe.skipIf(program === "")(`the set-up lock under ${name}`, () => {
    test("lets one process in at a time, and tells the other that it waits", async () => {
      await using checkout = await Checkout.make({ "hold.mjs": HOLD });
      const first = hold(checkout, program, LONG_MS);
      const firstOutput = first.stdout.getReader();
      expect(await nextLine(firstOutput)).toBe("in\n");
      const second = hold(checkout, program, LONG_MS);
      const secondOutput = second.stdout.getReader();
      expect(await nextLine(secondOutput)).toBe("waiting\n");
      await first.stdin.end();
      expect(await nextLine(firstOutput)).toBe("out\n");
      expect(await nextLine(secondOutput)).toBe("in\n");
      await second.stdin.end();
      expect(await nextLine(secondOutput)).toBe("out\n");
    });

    test("does not wait for a holder that died", async () => {
      await using checkout = await Checkout.make({ "hold.mjs": HOLD });
      const first = hold(checkout, program, LONG_MS);
      expect(await nextLine(first.stdout.getReader())).toBe("in\n");
      first.kill("SIGKILL");
      await first.exited;
      const { stdout } = await outcomeOf(hold(checkout, program, LONG_MS));
      expect(stdout).toBe("in\nout\n");
      expect(await Array.fromAsync(new Bun.Glob("*").scan(checkout.at("state")))).toEqual([]);
    });

    test("gives up on a holder that stays", async () => {
      await using checkout = await Checkout.make({ "hold.mjs": HOLD });
      const first = hold(checkout, program, LONG_MS);
      expect(await nextLine(first.stdout.getReader())).toBe("in\n");
      const { stdout } = await outcomeOf(hold(checkout, program, "-1"));
      expect(stdout).toBe("ELOCKED\n");
      await first.stdin.end();
      expect(await first.exited).toBe(0);
    });

    test("loses no update of several processes that all find a dead holder", async () => {
      await using checkout = await Checkout.make({
        "hold.mjs": HOLD,
        "count.mjs": COUNT,
        count: "0",
      });
      const dead = hold(checkout, program, LONG_MS);
      expect(await nextLine(dead.stdout.getReader())).toBe("in\n");
      dead.kill("SIGKILL");
      await dead.exited;
      const command = [program, checkout.at("count.mjs")];
      const outcomes = await Promise.all(
        [1, 2, 3, 4].map(() => outcomeOf(checkout.spawn(command, {}))),
      );
      for (const { stderr } of outcomes) expect(stderr).toBe("");
      expect(await Bun.file(checkout.at("count")).text()).toBe("20");
    });
  });
}

function hold(checkout: Checkout, program: string, limitMs: string) {
  return checkout.spawn([program, checkout.at("hold.mjs"), limitMs], {});
}

/** The processes here write one line at a time, and wait before the next. */
async function nextLine(output: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const { value } = await output.read();
  return new TextDecoder().decode(value);
}
