import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { OPTION_NAMES } from "../../broker/config/options.ts";
import { INSTRUMENTS } from "../../otel/metrics.ts";
import { Code } from "../../protocol/codes.ts";
import { startBrokerProcess } from "../support/process.ts";
import { commandLines } from "../support/readme-commands.ts";
import { runDocumentLine } from "./run-line.ts";

// Aim: docs/operations.md names only what there is. Method: its commands are run against a broker, its options, codes,
// metrics and alerts held against the code and the rules.

const DOCUMENT = read("../../docs/operations.md");

function read(path: string): string {
  return readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8");
}

test("every command works", async () => {
  await using broker = await startBrokerProcess();
  const lines = commandLines(DOCUMENT);
  expect(lines.length).toBeGreaterThanOrEqual(5);
  for (const line of lines) {
    const { code, output } = await runDocumentLine(line, broker);
    expect([line, code, output.length > 0]).toEqual([line, 0, true]);
  }
});

test("every option, code, metric and alert is one there is", () => {
  const options = new Set<string>(OPTION_NAMES);
  const named = [...DOCUMENT.matchAll(/`([a-z]+(?:[A-Z][a-z]+)+)`/g)].map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !options.has(name))).toEqual([]);
  const codes = new Map<number, string>(Object.values(Code).map(({ code, name }) => [code, name]));
  for (const [, number = "", name = ""] of DOCUMENT.matchAll(/\b(4\d{3}) `(\w+)`/g)) {
    expect([number, codes.get(Number(number))]).toEqual([number, name]);
  }
  const metrics = new Set(INSTRUMENTS.map(({ name }) => name));
  for (const [name] of DOCUMENT.matchAll(/\btickwire_[a-z0-9_]+/g)) {
    expect([name, metrics.has(name)]).toEqual([name, true]);
  }
  const rules = read("../../deploy/observability/alerts.yml");
  for (const [, name = ""] of DOCUMENT.matchAll(/`(Tickwire[A-Z]\w+)`/g)) {
    expect(rules).toContain(`alert: ${name}\n`);
  }
});
