import { describe, expect, test } from "bun:test";
import { mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";

import type { TransformFault } from "../../../workers/boundary/worker-link.ts";
import { RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

const PASS = "process() {}";

/** What a module's text is, what it is refused with, and on which line. */
const refused: readonly {
  readonly what: string;
  readonly source: string;
  readonly type?: TransformFault["type"];
  readonly says: string;
  readonly line: number | null;
}[] = [
  {
    what: "a syntax error",
    source: "const a = 1;\nexport default {\nlet b = ;\n",
    says: 'Expected "}" but found "b"',
    line: 3,
  },
  {
    what: "an import of a file that is not there",
    source: 'const a = 1;\nimport { b } from "./gone.ts";\nexport default b;\n',
    says: "Cannot find module './gone.ts'",
    line: 2,
  },
  {
    what: "an import of a package that is not there",
    source: '\n\nimport { b } from "no-such-package";\nexport default b;\n',
    says: "Cannot find package 'no-such-package'",
    line: 3,
  },
  {
    what: "an import of a name that is not there",
    source: '\nimport { definePlugin } from "tickwire/transform";\nexport default definePlugin;\n',
    says: "definePlugin",
    line: 2,
  },
  {
    what: "a throw at the top level",
    source:
      'interface A { a: string }\nfunction fail(): never {\n  throw new RangeError("boom");\n}\nfail();\n',
    says: "boom",
    line: 3,
  },
  { what: "a throw of text", source: "\nthrow 'no error';\n", says: "threw no error", line: null },
  { what: "a throw of nothing", source: "throw undefined;\n", says: "threw undefined", line: null },
  {
    what: "a throw of what cannot be looked at",
    source: "throw new Proxy({}, { get() { throw new Error('no'); } });\n",
    says: "cannot be described",
    line: null,
  },
  {
    what: "a top-level await that never ends",
    source: "await new Promise(() => {});\nexport default {};\n",
    type: "timeout",
    says: "loading the module took longer than 200 ms",
    line: null,
  },
  { what: "no export", source: "const a = 1;\n", says: "it exports nothing", line: null },
  {
    what: "another export",
    source: "export const filter = {};\n",
    says: "must export a transform, as default or as `transform`; it exports filter",
    line: null,
  },
  {
    what: "an export of null",
    source: "export default null;\n",
    says: "must be an object",
    line: null,
  },
  {
    what: "no name",
    source: `export default { version: "1.0.0", ${PASS} };\n`,
    says: "name must be lower case words with hyphens",
    line: null,
  },
  {
    what: "a bad version",
    source: `export default { name: "a", version: "1.0", ${PASS} };\n`,
    says: "version must be a semantic version",
    line: null,
  },
  {
    what: "an interface to come",
    source: transformModule(`api: 99, ${PASS}`),
    says: "api is 99; this broker takes",
    line: null,
  },
  {
    what: "a misspelt field",
    source: transformModule(`procces() {}, ${PASS}`),
    says: 'the transform has the unknown field "procces"; did you mean "process"?',
    line: null,
  },
  {
    what: "a misspelt limit",
    source: transformModule(`limits: { timeoutMS: 3 }, ${PASS}`),
    says: 'limits has the unknown field "timeoutMS"; did you mean "timeoutMs"?',
    line: null,
  },
  {
    what: "a limit out of range",
    source: transformModule(`limits: { batch: 0 }, ${PASS}`),
    says: "limits.batch must be an integer from 1 to 4096, not 0",
    line: null,
  },
  {
    what: "no process",
    source: transformModule("async: true"),
    says: "process must be",
    line: null,
  },
  {
    what: "an async process that does not say so",
    source: transformModule("async process() {}"),
    says: "say so with `async: true`",
    line: null,
  },
  {
    what: "a bad pattern",
    source: transformModule(`match: { channels: ["a.>.b"] }, ${PASS}`),
    says: 'match.channels: "a.>.b" is not a channel pattern',
    line: null,
  },
  {
    what: "a schema that is none",
    source: transformModule(`config: { type: "object" }, ${PASS}`),
    says: "config must be a Standard Schema",
    line: null,
  },
  {
    what: "a snapshot that cannot be restored",
    source: transformModule(`lane: { create: () => 1, snapshot: () => 1 }, ${PASS}`),
    says: "lane.snapshot and lane.restore belong together",
    line: null,
  },
  {
    what: "lane state without an order",
    source: transformModule(`order: "none", lane: { create: () => 1 }, ${PASS}`),
    says: "lane needs an order",
    line: null,
  },
  {
    what: "a look back by key",
    source: transformModule(
      `order: "key", lane: { create: () => 1, lookBack: 3, replay() {} }, ${PASS}`,
    ),
    says: "history is kept by channel",
    line: null,
  },
  {
    what: "a setup that throws",
    source: transformModule(`setup() {\n throw new Error("no disk");\n}, ${PASS}`),
    type: "setup",
    says: "no disk",
    line: 4,
  },
  {
    what: "a setup that rejects",
    source: transformModule(`async setup() { await 1; throw new Error("no disk"); }, ${PASS}`),
    type: "setup",
    says: "no disk",
    line: 3,
  },
  {
    what: "a setup that never settles",
    source: transformModule(`setup: () => new Promise(() => {}), ${PASS}`),
    type: "timeout",
    says: "setup took longer than 200 ms",
    line: null,
  },
  {
    what: "a schema that throws",
    source: transformModule(
      `config: { "~standard": { version: 1, vendor: "x", validate() { throw new Error("odd"); } } }, ${PASS}`,
    ),
    type: "config",
    says: "odd",
    line: 3,
  },
];

for (const useGraph of [true, false]) {
  describe(`loading ${useGraph ? "into a module graph" : "through the cache"}`, () => {
    for (const { what, source, type = "load", says, line } of refused) {
      test(`${what} is refused, with file and line`, async () => {
        await using under = await RuntimeUnderTest.create(useGraph);
        const fault = await under.loadFault(source);
        expect(fault.type).toBe(type);
        expect(fault.message).toContain(says);
        expect(fault.file).toBe(join(await realpath(under.folder.path), "stage-0.ts"));
        expect(fault.line).toBe(line);
        expect(structuredClone(fault)).toEqual(fault);
      });
    }

    test("a fault in a file that is imported names that file", async () => {
      await using under = await RuntimeUnderTest.create(useGraph);
      const path = await under.folder.write("helper.ts", "export const a = 1;\nconst = 2;\n");
      const fault = await under.loadFault('import { a } from "./helper.ts";\nexport default a;\n');
      expect(fault).toMatchObject({ type: "load", file: await realpath(path), line: 2 });
    });

    test("a file that was edited is read anew, with what it imports", async () => {
      await using under = await RuntimeUnderTest.create(useGraph ? "thread" : false);
      const module = transformModule(
        "description: text, process() {}",
        'import { text } from "./helper.ts";',
      );
      const seen: (string | null | undefined)[] = [];
      const integrity = new Set<string | undefined>();
      for (const text of ["one", "two"]) {
        await under.folder.write("helper.ts", `export const text = "${text}";\n`);
        const [manifest] = await under.load(`// ${text}\n${module}`);
        seen.push(manifest?.description);
        integrity.add(manifest?.integrity);
      }
      expect(seen).toEqual(["one", "two"]);
      expect(integrity.size).toBe(2);
    });

    test("a load that fails leaves the runtime ready for the next one", async () => {
      await using under = await RuntimeUnderTest.create(useGraph);
      await under.loadFault("export default 1;\n");
      expect(await under.load(transformModule(PASS))).toHaveLength(1);
    });
  });
}

describe("a module", () => {
  test("is found by relative path, absolute path, folder and package name", async () => {
    await using under = await RuntimeUnderTest.create();
    const { path } = under.folder;
    await under.folder.write("direct.ts", transformModule(PASS));
    await mkdir(join(path, "node_modules/@acme/filter/dist"), { recursive: true });
    const files = "node_modules/@acme/filter";
    await under.folder.write(`${files}/dist/index.js`, transformModule(PASS));
    await under.folder.write(
      `${files}/package.json`,
      JSON.stringify({ name: "@acme/filter", tickwire: { transform: "./dist/index.js", api: 1 } }),
    );
    const uses = ["./direct.ts", join(path, "direct.ts"), "@acme/filter", `./${files}`];
    for (const use of uses) {
      const stage = { use, directory: path, config: undefined, emit: [] };
      expect(await under.loadStages([stage])).toMatchObject({ ok: true });
    }
  });

  test("that cannot be found, or whose package is for another interface, is refused", async () => {
    await using under = await RuntimeUnderTest.create();
    const { path: directory } = under.folder;
    const fault = async (use: string): Promise<string> => {
      const reply = await under.loadStages([{ use, directory, config: undefined, emit: [] }]);
      return reply.ok ? "loaded" : reply.fault.message;
    };
    expect(await fault("./gone.ts")).toBe(`cannot find "./gone.ts" from ${directory}`);
    expect(await fault("no-such-package")).toBe(`cannot find "no-such-package" from ${directory}`);
    expect(await fault("")).toContain("use must be a path");
    await mkdir(join(directory, "node_modules/late"), { recursive: true });
    const about = { tickwire: { transform: "./index.ts", api: 7 } };
    await under.folder.write("node_modules/late/package.json", JSON.stringify(about));
    expect(await fault("late")).toContain("the package is for transform api 7");
    await under.folder.write("node_modules/late/package.json", '{"tickwire": {}}');
    expect(await fault("late")).toContain('"tickwire" must have "transform"');
    await under.folder.write("node_modules/late/package.json", "{");
    expect(await fault("late")).toContain("package.json cannot be read");
  });

  test("may export the transform as `transform`, and tells what it is", async () => {
    await using under = await RuntimeUnderTest.create();
    const fields = `api: 1, description: "Passes.", match: { channels: ["a.>"], minBytes: 2 },
      order: "key", failClosed: true, limits: { batch: 7 }, process() {}`;
    const source = transformModule(fields).replace("export default", "export const transform =");
    const [manifest] = await under.load(source);
    const integrity = new Bun.CryptoHasher("sha256").update(source).digest("hex");
    expect(manifest).toEqual({
      api: 1,
      name: "under-test",
      version: "1.0.0",
      description: "Passes.",
      match: { channels: ["a.>"], minBytes: 2, maxBytes: Infinity },
      order: "key",
      hasLaneState: false,
      hasSnapshot: false,
      lookBack: 0,
      isAsync: false,
      failClosed: true,
      limits: {
        batch: 7,
        batchBytes: 262_144,
        timeoutMs: 1000,
        heapMb: 256,
        maxEmissions: 8,
        laneQueue: 4096,
      },
      configSchema: null,
      file: join(await realpath(under.folder.path), "stage-0.ts"),
      integrity,
    });
  });

  test("in the middle of a pipeline that fails tears down those before it", async () => {
    await using under = await RuntimeUnderTest.create();
    const log = join(under.folder.path, "log.txt");
    const first = transformModule(
      `process() {}, teardown() { writeFileSync(${JSON.stringify(log)}, "torn down"); }`,
      'import { writeFileSync } from "node:fs";',
    );
    const reply = await under.loadFault(first, "export default 1;\n", transformModule(PASS));
    expect(reply.message).toContain("must be an object");
    expect(await Bun.file(log).text()).toBe("torn down");
  });
});
