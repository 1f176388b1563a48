import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";

import type { Isolation } from "../../../workers/host/host-types.ts";
import { plugin, RunnerHarness } from "./runner-harness.ts";

/**
 * A worker that is lost comes back with the code that was deployed, whatever the files hold by then. Each transform ends
 * its worker for the payload "exit", and says which version it is otherwise.
 */
const HELPED = plugin(`if (text === "exit") process.exit(1); m.replace(name() + " " + text);`, {
  head: 'import { name } from "./helper.ts";',
});
const helper = (name: string): string => `export const name = (): string => "${name}";\n`;

function start(
  files: Readonly<Record<string, string>>,
  isolation: Isolation = "thread",
): Promise<RunnerHarness> {
  return RunnerHarness.start({
    files,
    bindings: [{ id: "probe", use: "./a.ts", channels: ["in.>"], onError: "drop", isolation }],
  });
}

/** What the version says that a worker has which was started in the place of a lost one. */
async function afterLoss(harness: RunnerHarness): Promise<string | undefined> {
  harness.publishAll("in.x", ["exit", "x"]);
  await harness.allSettled();
  return harness.outputs("in.x").at(-1);
}

async function deploy(harness: RunnerHarness, use: string | null = null): Promise<void> {
  const mode = { type: "replace" } as const;
  await harness.runner.change({ action: "deploy", id: "probe", use, config: null, mode });
}

describe.each(["thread", "process"] as const)("a lost worker in a %s", (isolation) => {
  const edits: readonly [string, (harness: RunnerHarness) => Promise<unknown>][] = [
    ["edited", ({ folder }) => folder.write("a.ts", plugin(`m.replace("edited " + text);`))],
    ["edited in what it imports", ({ folder }) => folder.write("helper.ts", helper("edited"))],
    ["broken", ({ folder }) => folder.write("a.ts", "export default {;")],
    ["broken in what it imports", ({ folder }) => folder.write("helper.ts", "export const = 1;")],
    ["removed", ({ folder }) => rm(join(folder.path, "a.ts"))],
    ["removed with what it imports", ({ folder }) => rm(join(folder.path, "helper.ts"))],
  ];
  test.each(edits)("runs on though its file was %s", async (_what, edit) => {
    await using harness = await start({ "a.ts": HELPED, "helper.ts": helper("v1") }, isolation);
    await edit(harness);
    expect(await afterLoss(harness)).toBe("v1 x");
    expect(harness.logger.events()).not.toContain("transform_worker_start_failed");
  });
});

test("what it is made of stays what it was, and where it is too", async () => {
  await using harness = await start({
    "a.ts": plugin(`if (text === "exit") process.exit(1); m.replaceJson(made(text));`, {
      head: `import { readFileSync } from "node:fs"; import { join } from "node:path";
        import table, { limit } from "./table.json";
        import greeting from "./greeting.txt";
        import raw from "./raw.ts" with { type: "text" };
        import old, { listed, later } from "./old.cjs";
        import { alias } from "@lib/alias";
        import { used } from "used";
        import * as all from "./table.json";
        const required = require("./required.json");
        const made = (text: string) => ({
          table: [table.limit, limit, required, Object.keys(all)], greeting, raw, old: [old.listed, listed, later, old.name],
          alias, used, file: readFileSync(join(import.meta.dir, "data.bin"), "utf8"),
        });`,
    }),
    "table.json": '{"limit": 1, "default": 2}',
    "required.json": '{"limit": 1, "default": 2}',
    "greeting.txt": "hello",
    "helper.ts": helper("v1"),
    "raw.ts": "raw",
    "old.cjs": `#!/usr/bin/env bun
      const { name } = require("./helper.ts");
      exports.later = __filename.endsWith("old.cjs") && typeof __dirname;
      module.exports = { ...exports, listed: require("./required.json").limit, name: name() };`,
    "tsconfig.json": '{"compilerOptions": {"paths": {"@lib/*": ["./lib/*"]}}}',
    "lib/alias.ts": 'export const alias = "v1";',
    "node_modules/used/package.json": '{"name": "used", "main": "index.js"}',
    "node_modules/used/index.js": 'module.exports = { used: require("./inner") };',
    "node_modules/used/inner.js": 'module.exports = "package";',
    "data.bin": "data",
  });
  const { folder } = harness;
  const before = {
    table: [1, 1, { limit: 1, default: 2 }, ["default", "limit"]],
    greeting: "hello",
    raw: "raw",
    old: [1, 1, "string", "v1"],
    alias: "v1",
    used: "package",
    file: "data",
  };
  harness.publishAll("in.x", ["x"]);
  await harness.allSettled();
  expect(JSON.parse(harness.outputs("in.x")[0] ?? "")).toEqual(before);
  await folder.write("table.json", "{");
  await folder.write("required.json", "{");
  await folder.write("greeting.txt", "bye");
  await folder.write("helper.ts", helper("v2"));
  await folder.write("raw.ts", "new raw");
  await folder.write("old.cjs", "throw new Error('edited');");
  await folder.write("lib/alias.ts", 'export const alias = "v2";');
  await folder.write("data.bin", "new data");
  // What it reads itself, or imports as a file and not as code, is what the disk has.
  const after = { ...before, raw: "new raw", file: "new data" };
  expect(JSON.parse((await afterLoss(harness)) ?? "")).toEqual(after);
});

test("what is imported later is of the version too", async () => {
  await using harness = await start({
    "a.ts": `export default { name: "probe", version: "1.0.0", async: true,
      async process(batch) {
        for (const m of batch) {
          if (m.text() === "exit") process.exit(1);
          const { name } = await import("./late.ts");
          m.replace(name());
        }
      } };`,
    "late.ts": helper("v1"),
  });
  await harness.folder.write("late.ts", helper("v2"));
  expect(await afterLoss(harness)).toBe("v1");
});

test("a rollback brings the old code back, also to workers lost after it", async () => {
  await using harness = await start({ "a.ts": HELPED, "helper.ts": helper("v1") });
  await harness.folder.write("helper.ts", helper("v2"));
  await deploy(harness);
  await harness.folder.write("helper.ts", "broken");
  expect(await afterLoss(harness)).toBe("v2 x");
  await harness.runner.change({ action: "rollback", id: "probe" });
  expect(await afterLoss(harness)).toBe("v1 x");
});

test("what a shadow was is what is promoted", async () => {
  await using harness = await start({ "a.ts": HELPED, "helper.ts": helper("v1") });
  await harness.folder.write("helper.ts", helper("v2"));
  const mode = { type: "shadow", percent: 100 } as const;
  const request = { id: "probe", use: null, config: null } as const;
  await harness.runner.change({ action: "deploy", ...request, mode });
  await harness.folder.write("helper.ts", "broken");
  await harness.runner.change({ action: "promote", id: "probe" });
  expect(await afterLoss(harness)).toBe("v2 x");
});

test("a canary that is lost comes back as it was, and is promoted so", async () => {
  await using harness = await start({ "a.ts": HELPED, "helper.ts": helper("v1") });
  await harness.folder.write("helper.ts", helper("v2"));
  const mode = { type: "canary", channels: ["in.x"] } as const;
  const request = { id: "probe", use: null, config: null } as const;
  await harness.runner.change({ action: "deploy", ...request, mode });
  await harness.folder.write("helper.ts", helper("v3"));
  expect(await afterLoss(harness)).toBe("v2 x");
  await harness.runner.change({ action: "promote", id: "probe" });
  expect(await afterLoss(harness)).toBe("v2 x");
});

test("a deploy of one stage leaves the code of the others alone, and a dry run too", async () => {
  const bound = { channels: ["in.>"], onError: "drop" } as const;
  await using harness = await RunnerHarness.start({
    files: {
      "a.ts": HELPED,
      "b.ts": plugin(`m.replace(name() + " " + text);`, {
        head: 'import { name } from "./helper.ts";',
      }),
      "helper.ts": helper("v1"),
    },
    bindings: [
      { id: "first", use: "./b.ts", ...bound },
      { id: "probe", use: "./a.ts", ...bound },
      { id: "elsewhere", use: "./b.ts", channels: ["in.*.y"], onError: "drop" },
    ],
  });
  await harness.folder.write("helper.ts", helper("v2"));
  await deploy(harness);
  expect(await afterLoss(harness)).toBe("v2 v1 x");
  harness.publishAll("in.a.y", ["y"]);
  await harness.allSettled();
  expect(harness.outputs("in.a.y")).toEqual(["v1 v2 v1 y"]);
  const payloads = [new TextEncoder().encode("x")];
  const [outcome] = await harness.runner.dryRun({ id: "first", channel: "in.x", payloads });
  if (outcome?.type !== "publish") throw new Error("not published");
  expect(new TextDecoder().decode(outcome.bytes)).toBe("v1 x");
});
