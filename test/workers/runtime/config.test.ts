import { describe, expect, test } from "bun:test";

import { message } from "../../../workers/testing/message.ts";
import { RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

/** The library as a module in a folder anywhere finds it. */
const libraryImport = (name: string): string =>
  `import * as lib from ${JSON.stringify(Bun.resolveSync(name, import.meta.dir))};`;

const SHOWS = "process(batch, ctx) { for (const m of batch) m.replaceJson(ctx.config); }";

const schemas = {
  zod: `lib.object({
    fields: lib.array(lib.string()).min(1),
    deep: lib.object({ level: lib.number().int() }).default({ level: 1 }),
  })`,
  valibot: `lib.object({
    fields: lib.pipe(lib.array(lib.string()), lib.minLength(1)),
    deep: lib.optional(lib.object({ level: lib.pipe(lib.number(), lib.integer()) }), { level: 1 }),
  })`,
};

const checkedBy = (name: keyof typeof schemas): string =>
  transformModule(`config: ${schemas[name]}, ${SHOWS}`, libraryImport(name));

const validatedBy = (validate: string): string =>
  transformModule(
    `config: { "~standard": { version: 1, vendor: "x", validate: ${validate} } }, ${SHOWS}`,
  );

for (const [name, schema] of Object.entries(schemas)) {
  describe(`a configuration checked by ${name}`, () => {
    const source = transformModule(`config: ${schema}, ${SHOWS}`, libraryImport(name));

    test("reaches process as the schema makes it", async () => {
      await using under = await RuntimeUnderTest.create();
      await under.load({ source, config: { fields: ["a"] } });
      const { outcomes } = await under.run([message("a", "")]);
      expect(outcomes[0]?.output?.json()).toEqual({ fields: ["a"], deep: { level: 1 } });
    });

    test("is refused with the path of each issue", async () => {
      await using under = await RuntimeUnderTest.create();
      const config = { fields: ["a", 7], deep: { level: "high" } };
      const fault = await under.loadFault({ source, config });
      expect(fault).toMatchObject({ type: "config", name: "TransformLoadError" });
      expect(fault.issues.map(({ path }) => path)).toEqual(["fields[1]", "deep.level"]);
      expect(fault.message).toContain("the configuration is refused: fields[1]: ");
    });

    test("that is missing is taken as an empty one", async () => {
      await using under = await RuntimeUnderTest.create();
      const fault = await under.loadFault(source);
      expect(fault.issues.map(({ path }) => path)).toEqual(["fields"]);
    });
  });
}

describe("a configuration", () => {
  test("has a JSON Schema in the manifest where its library can tell it", async () => {
    await using under = await RuntimeUnderTest.create();
    const [zod] = await under.load({ source: checkedBy("zod"), config: { fields: ["a"] } });
    expect(zod?.configSchema).toMatchObject({
      type: "object",
      properties: { fields: { type: "array", items: { type: "string" } } },
      required: ["fields"],
    });
    const [valibot] = await under.load({ source: checkedBy("valibot"), config: { fields: ["a"] } });
    expect(valibot?.configSchema).toBeNull();
  });

  test("that JSON Schema cannot say is told as none", async () => {
    await using under = await RuntimeUnderTest.create();
    const config = "lib.object({ a: lib.date().optional() })";
    const [manifest] = await under.load(
      transformModule(`config: ${config}, process() {}`, libraryImport("zod")),
    );
    expect(manifest?.configSchema).toBeNull();
  });

  test("may be checked asynchronously, but not for ever", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load({ source: validatedBy("async (value) => ({ value: [value] })"), config: 1 });
    const { outcomes } = await under.run([message("a", "")]);
    expect(outcomes[0]?.output?.json()).toEqual([1]);
    const fault = await under.loadFault(validatedBy("() => new Promise(() => {})"));
    expect(fault).toMatchObject({
      type: "timeout",
      message: "checking the configuration took longer than 200 ms",
    });
  });

  test("is refused by a transform that takes none", async () => {
    await using under = await RuntimeUnderTest.create();
    const source = transformModule("process() {}");
    const fault = await under.loadFault({ source, config: { a: 1 } });
    expect(fault).toMatchObject({
      type: "config",
      message: "the transform takes no configuration",
    });
    for (const config of [undefined, null, {}]) {
      expect(await under.load({ source, config })).toHaveLength(1);
    }
  });
});
