import { expect, test } from "bun:test";

import { CliProcess, runCli } from "../support/process.ts";
import { TempFolder } from "../support/temp-folder.ts";

/** Rows of the closing table, by subscriber. */
function rowsOf(stdout: string): Map<string, string[]> {
  const [, table = ""] = stdout.split(/^subscriber .*\n/m);
  const rows = table.split("\n").map((line) => line.split(/ +/));
  return new Map(rows.map(([name = "", ...cells]) => [name, cells]));
}

test("shows four subscribers who get everything once, and leaves no broker behind", async () => {
  const { code, stdout, stderr } = await runCli(["demo", "--seconds", "1.5", "--rate", "500"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("0 lost, 0 doubled");
  const rows = rowsOf(stdout);
  expect([...rows.keys()].slice(0, 4)).toEqual(["exact", "pattern", "slow", "reconnecting"]);
  expect(rows.get("pattern")?.[1]).not.toBe("0");
  // The slow one has caught up in the end.
  expect(rows.get("slow")?.[1]).toBe(rows.get("exact")?.[1] as string);
  expect(rows.get("slow")?.at(-1)).toBe("0");
});

test("replays a file, on the channel its lines name", async () => {
  await using folder = await TempFolder.create();
  const lines = Array.from({ length: 50 }, (_, i) => `{"s":"ABC","ts":${1733011200000 + i * 10}}`);
  const file = await folder.write("feed.ndjson", lines.join("\n"));
  const { code, stdout } = await runCli(["demo", "--seconds", "1", "--file", file]);
  expect(code).toBe(0);
  expect(rowsOf(stdout).get("exact")?.[0]).toBe("market.abc");
  const empty = await runCli(["demo", "--file", await folder.write("empty", "")]);
  expect(empty).toMatchObject({ code: 1, stderr: expect.stringContaining("has no lines") });
});

test("ends with Ctrl-C, cleanly, and its broker with it", async () => {
  await using command = new CliProcess(["demo", "--seconds", "600"]);
  await command.untilStdout((text) => text.includes(" published"));
  const broker = Number(/process (\d+)/.exec(command.stdout)?.[1]);
  expect(process.kill(broker, 0)).toBe(true);
  command.kill("SIGINT");
  expect(await command.exited).toBe(0);
  expect(command.stdout).toContain("0 lost, 0 doubled");
  expect(() => process.kill(broker, 0)).toThrow("ESRCH");
});
