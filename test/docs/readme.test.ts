import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";

import { startBrokerProcess } from "../support/process.ts";
import { commandLines, exercise, README } from "../support/readme-commands.ts";
import { TempFolder } from "../support/temp-folder.ts";

// Aim: no command in README.md that does not work. Method: the table in test/support/readme-commands.ts says how
// each is exercised; a line it does not know fails.

async function exerciseAll(lines: readonly string[]): Promise<void> {
  await using folder = await TempFolder.create();
  await using broker = await startBrokerProcess();
  const { url, httpUrl } = broker;
  for (const line of lines) await exercise(line, { url, httpUrl, folder: folder.path });
}

const isThere = existsSync(README);
if (!isThere) process.stderr.write("SKIPPED the commands of README.md: there is none\n");

test.skipIf(!isThere)("every command of README.md works", async () => {
  const lines = commandLines(readFileSync(README, "utf8"));
  expect(lines.length).toBeGreaterThan(0);
  await exerciseAll(lines);
});

describe("the commands of a text", () => {
  const text = [
    "```sh",
    "# comments are left out",
    "npm start # also behind a command",
    "$ npm run -s tickwire -- pub market.xrp \\",
    '    \'{"bid":1.95, "note":"#1"}\'',
    "",
    "npm run -s tickwire -- sub 'market.>' --last-is-no-option",
    "```",
    "```ts",
    "const not = 'a command';",
    "```",
  ].join("\n");

  test("are its shell lines", () => {
    expect(commandLines(text)).toEqual([
      "npm start",
      'npm run -s tickwire -- pub market.xrp \'{"bid":1.95, "note":"#1"}\'',
      "npm run -s tickwire -- sub 'market.>' --last-is-no-option",
    ]);
  });

  test("of every kind work", async () => {
    await exerciseAll([
      "git clone https://example.org/tickwire.git",
      "npm test",
      "npm run -s tickwire -- serve --port 9301 --drain-ms 5s",
      "npm run -s tickwire -- sub 'market.>' | cat > received",
      "npm run -s tickwire -- pub market.xrp '{\"bid\":1.95}'",
      "tickwire pub market.xrp --file quotes.ndjson --pace-by ts",
      "npm run -s tickwire -- version",
      "tickwire token --sub ana --secret 0123456789abcdef0123456789abcdef --publish 'a.>'",
    ]);
  });

  test.each([
    ["a line nobody thought of", "rm -rf node_modules", "no row of EXERCISES"],
    ["a script that is not there", "npm run -s verify:all", "no row of EXERCISES"],
    ["an option that is wrong", "tickwire serve --prot 1", "did you mean --port?"],
    ["a subscription that is refused", "tickwire sub 'a b'", "was not subscribed"],
    ["a publication that is refused", "tickwire pub 'a.>' x", "ended with 2"],
  ])("%s fails", async (_what, line, reason) => {
    const error: unknown = await exerciseAll([line]).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toContain(reason);
  });
});
