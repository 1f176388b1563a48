import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

async function chaos(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([process.execPath, MAIN, ...args], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

test("--help lists the options on standard output", async () => {
  const { code, stdout, stderr } = await chaos("--help");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const flag of ["--minutes", "--seed", "--topology", "--figures"]) {
    expect(stdout).toContain(flag);
  }
});

test.each(["--hlp", "--topology=ring", "--minutes=none"])(
  "%s exits with 2 and a sentence, without a stack trace",
  async (flag) => {
    const { code, stdout, stderr } = await chaos(flag);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toEndWith("\nTry --help.\n");
    expect(stderr).not.toMatch(/^ +at /m);
  },
);
