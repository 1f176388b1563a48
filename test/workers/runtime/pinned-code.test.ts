import { expect, test } from "bun:test";
import { mkdir, realpath, rm, symlink } from "node:fs/promises";
import { join } from "node:path";

import { message } from "../../../workers/testing/message.ts";
import { inShort, RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

/** Code that was read and edited since is loaded as it was; a thread of its own, as its modules are for good. */
async function loadPinned(
  under: RuntimeUnderTest,
  use: string,
  edit: () => Promise<unknown>,
): ReturnType<RuntimeUnderTest["loadStages"]> {
  const stage = { use, directory: under.folder.path, config: undefined, emit: [] };
  const reply = await under.runtime.collect([stage]);
  if (!reply.ok) throw new Error(reply.fault.message);
  const [code] = structuredClone(reply.codes);
  if (code === undefined) throw new Error("no code");
  await edit();
  const loaded = await under.loadStages([{ ...stage, code }]);
  if (loaded.ok) under.manifests = loaded.manifests;
  return loaded;
}

test("a throw names the line that the file had", async () => {
  await using under = await RuntimeUnderTest.create("thread");
  const source = "type Text = string;\n\ninterface Unused {\n  a: Text;\n}\n";
  const module = `#!/usr/bin/env bun\n${transformModule(
    `process(batch) {\n  for (const _ of batch)\n    throw new Error("no");\n}`,
    source,
  )}`;
  await under.folder.write("a.ts", module);
  await loadPinned(under, "./a.ts", () => under.folder.write("a.ts", "// other\n"));
  const { outcomes } = await under.run([message("x", "")], 2);
  const line = module.split("\n").findIndex((text) => text.includes("throw")) + 1;
  expect(outcomes.map(inShort)).toEqual([`fail throw Error: no @${line}`]);
});

test("a fault of loading names the author's file and line, in CommonJS as well", async () => {
  for (const [name, source, line] of [
    ["a.ts", "export const a: number = 1;\nconst = 2;\n", 2],
    ["b.cjs", '"use strict";\n\nthrow new Error("no");\n', 3],
    ["c.ts", "export default {\n  name: missing,\n};\n", 2],
  ] as const) {
    await using under = await RuntimeUnderTest.create("thread");
    const path = await under.folder.write(name, source);
    const file = await realpath(path);
    const reply = await loadPinned(under, `./${name}`, () => rm(path));
    expect(reply).toMatchObject({ ok: false, fault: { type: "load", file, line } });
  }
});

test("a package's own files are pinned, also behind a link; those of other packages are not", async () => {
  await using under = await RuntimeUnderTest.create("thread");
  const { folder } = under;
  await folder.write("source/package.json", '{"name": "own", "tickwire": {"transform": "./a.ts"}}');
  await folder.write("source/lib/b.ts", 'export { c } from "../c.ts";');
  await folder.write("source/c.ts", 'export const c = "v1";');
  await folder.write("source/node_modules/dep/index.js", 'export const dep = "on disk";');
  const module = transformModule(
    `process(batch) { for (const m of batch) m.replace(c + " " + dep); }`,
    'import { c } from "./lib/b.ts"; import { dep } from "dep";',
  );
  await folder.write("source/a.ts", module);
  await mkdir(join(folder.path, "node_modules"));
  await symlink("../source", join(folder.path, "node_modules/own"));
  const reply = await loadPinned(under, "own", async () => {
    await rm(join(folder.path, "source/a.ts"));
    await rm(join(folder.path, "source/lib"), { recursive: true });
    await folder.write("source/c.ts", 'export const c = "v2";');
    await folder.write("source/node_modules/dep/index.js", 'export const dep = "new";');
  });
  expect(reply.ok).toBe(true);
  const { outcomes } = await under.run([message("x", "")]);
  expect(outcomes.map(inShort)).toEqual(["replace v1 new"]);
});

test("a CommonJS transform is one, by any of its forms", async () => {
  const body = 'name: "old", version: "1.0.0", process(b) { for (const m of b) m.replace("old"); }';
  const forms = [
    `module.exports = { ${body} };`,
    `Object.defineProperty(exports, "__esModule", { value: true });\nexports.default = { ${body} };`,
    `exports.transform = { ${body} };\nexports.__esModule = true;\nexports.default = exports.transform;`,
  ];
  for (const form of forms) {
    await using under = await RuntimeUnderTest.create("thread");
    await under.folder.write("a.js", form);
    const reply = await loadPinned(under, "./a.js", () => under.folder.write("a.js", "broken("));
    expect(reply.ok).toBe(true);
    const { outcomes } = await under.run([message("x", "")]);
    expect(outcomes.map(inShort)).toEqual(["replace old"]);
  }
});

test("names of any kind are found, and what is no plain import is left to the disk", async () => {
  await using under = await RuntimeUnderTest.create("thread");
  const { folder } = under;
  await folder.write("ü ö (1)+[x]/ß😀.ts", 'export const a = "v1";');
  await folder.write("query.ts", 'export const b = "v1";');
  await folder.write("table.json", '{"c": "v1"}');
  const module = transformModule(
    `process(batch) { for (const m of batch) m.replace([a, b, table.c, text, typeof gone].join()); }`,
    `import { a } from "./ß😀.ts";
     import { b } from "../query.ts?x=1";
     import table from "../table.json" with { type: "json" };
     import text from "../table.json" with { type: "text" };
     let gone; try { gone = require("./nowhere.ts"); } catch {}`,
  );
  const use = "./ü ö (1)+[x]/ü$.ts";
  await folder.write(use, module);
  const reply = await loadPinned(under, use, async () => {
    await folder.write(use, "broken(");
    await folder.write("ü ö (1)+[x]/ß😀.ts", "broken(");
    await folder.write("query.ts", 'export const b = "v2";');
  });
  expect(reply.ok).toBe(true);
  const { outcomes } = await under.run([message("x", "")]);
  const text = `{"c": "v1"}`;
  expect(outcomes.map(inShort)).toEqual([`replace v1,v2,v1,${text},undefined`]);
});

test("code over the bound is refused", async () => {
  await using under = await RuntimeUnderTest.create();
  await under.folder.write("table.json", JSON.stringify("x".repeat(33 * 1024 * 1024)));
  await under.folder.write(
    "a.ts",
    'import table from "./table.json";\nexport default { table };\n',
  );
  const stage = { use: "./a.ts", directory: under.folder.path, config: undefined, emit: [] };
  const reply = await under.runtime.collect([stage]);
  expect(reply).toMatchObject({ ok: false, stage: 0, fault: { type: "load" } });
  expect(JSON.stringify(reply)).toContain("over 2000 files or 32 MiB");
});
