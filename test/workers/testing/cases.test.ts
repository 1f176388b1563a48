import { describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { CaseError, HarnessError, parseCases, runCases } from "../../../workers/testing/index.ts";
import { rejection } from "../../support/rejection.ts";
import { TempFolder } from "../../support/temp-folder.ts";
import { RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";
import { transform as countByKind } from "./count-by-kind.ts";

const PATH = new URL("./count-by-kind.ts", import.meta.url).pathname;

/** Runs one case against the transform beside this file; returns its difference. */
async function difference(content: object): Promise<readonly string[]> {
  await using folder = await TempFolder.create();
  await folder.write("a.json", JSON.stringify({ name: "it", ...content }));
  const { cases } = await runCases(countByKind, folder.path);
  return cases[0]?.diff ?? ["no case"];
}

const order = (json: unknown) => ({ channel: "orders.1", json });

describe("a case", () => {
  test("passes when all of it comes out as it says", async () => {
    const content = {
      history: { "orders.1": [{ json: {} }, { text: "" }] },
      in: [
        order({ price: 1 }),
        { channel: "orders.1", text: '{"kind":"test"}', repeat: 2 },
        { channel: "orders.2", json: { price: 200 }, headers: { a: "b" }, key: "k", user: "u" },
        { channel: "orders.1", base64: "e30=" },
        order({ price: 0 }),
      ],
      out: [
        { json: { price: 10, seen: 3 } },
        { drop: "a test" },
        { drop: true },
        { json: { seen: 1, price: 2000 }, headers: { a: "b", factor: "10" } },
        { fail: "no price" },
        { pass: true },
      ],
      emitted: [{ channel: "large.orders", msgpack: { price: 200 } }],
    };
    expect(await difference(content)).toEqual([]);
  });

  const differences: readonly [string, object, readonly string[]][] = [
    [
      "a value",
      { in: [order({ price: 1 })], out: [{ json: { price: 11, seen: 1, more: true } }] },
      ["out[0].json.price: expected 11, got 10", "out[0].json.more: expected true, got nothing"],
    ],
    [
      "a field too many",
      { in: [order({ price: 1 })], out: [{ json: { price: 10 } }] },
      ["out[0].json.seen: expected nothing, got 1"],
    ],
    [
      "a verdict",
      { in: [order({ kind: "test" })], out: [{ pass: true }] },
      ['out[0]: expected pass, got drop ("a test")'],
    ],
    [
      "a reason",
      { in: [order({ kind: "test" })], out: [{ drop: "late" }] },
      ['out[0].drop: expected "late", got "a test"'],
    ],
    [
      "a failure",
      { in: [order({}), order({})], out: [{ fail: "other" }, { json: {} }] },
      [
        'out[0].fail: expected text with "other", got "no price"',
        "out[1]: expected json, got fail (no price)",
      ],
    ],
    [
      "text and bytes",
      { in: [order(7), order({ price: 0 })], out: [{ text: "{}" }, { base64: "AA==" }] },
      [
        "out[0]: expected text, got fail (no price)",
        'out[1].base64: expected "AA==", got "eyJwcmljZSI6MH0="',
      ],
    ],
    [
      "headers",
      { in: [order({ price: 1 })], out: [{ json: { price: 10, seen: 1 }, headers: { x: "y" } }] },
      ['out[0].headers.x: expected "y", got nothing'],
    ],
    [
      "an emission too many",
      { in: [order({ price: 200 })], out: [{ json: { price: 2000, seen: 1 } }] },
      ['emitted[0]: expected none, got msgpack {"price":200} on "large.orders"'],
    ],
    [
      "an emission too few",
      {
        in: [order({ price: 0 })],
        out: [{ pass: true }],
        emitted: [{ channel: "a", text: "" }],
      },
      ['emitted[0]: expected one on "a", got none'],
    ],
    [
      "a configuration",
      { config: { a: 1 }, in: [], out: [] },
      ["config: the transform takes no configuration"],
    ],
    [
      "an emission that is not allowed",
      { emit: ["b"], in: [order({ price: 200 })], out: [{ pass: true }] },
      ['out[0]: expected pass, got fail (the binding does not allow to emit to "large.orders")'],
    ],
  ];
  for (const [what, content, lines] of differences) {
    test(`shows where it differs in ${what}`, async () => {
      expect(await difference(content)).toEqual([...lines]);
    });
  }

  test("shows a bounded difference", async () => {
    const content = {
      in: [{ ...order({ price: 0 }), repeat: 50 }],
      out: [{ drop: true, repeat: 50 }],
    };
    const lines = await difference(content);
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe("... and 30 more");
  });

  const refused: readonly [string, unknown, string][] = [
    ["no name", { in: [], out: [] }, "x.json: name must be text"],
    [
      "a list with one that is no case",
      [{ name: "a", in: [], out: [] }, 7],
      "x.json[1]: must be an object",
    ],
    [
      "a misspelt field",
      { name: "a", inn: [], out: [] },
      'unknown field "inn"; did you mean "in"?',
    ],
    [
      "no payload",
      { name: "a", in: [{ channel: "a" }], out: [] },
      "in[0]: needs exactly one of json, text, base64, msgpack",
    ],
    [
      "two payloads",
      { name: "a", in: [{ channel: "a", json: 1, text: "" }], out: [] },
      "in[0]: needs exactly one",
    ],
    [
      "a pattern",
      { name: "a", in: [{ channel: "a.*", json: 1 }], out: [] },
      "in[0]: channel must be the name of a channel",
    ],
    [
      "bad base64",
      { name: "a", in: [{ channel: "a", base64: "?" }], out: [] },
      "in[0]: base64 is not base64",
    ],
    [
      "headers that are no text",
      { name: "a", in: [{ channel: "a", json: 1, headers: { b: 1 } }], out: [] },
      "headers.b must be text",
    ],
    [
      "another number out than in",
      { name: "a", in: [{ channel: "a", json: 1, repeat: 3 }], out: [{ pass: true }] },
      "3 go in, 1 come out",
    ],
    [
      "two verdicts",
      { name: "a", in: [{ channel: "a", json: 1 }], out: [{ pass: true, drop: true }] },
      "out[0]: needs one of pass, drop, fail",
    ],
    [
      "a verdict that is not true",
      { name: "a", in: [], out: [{ pass: false }] },
      "out[0]: pass must be true",
    ],
    [
      "a bad pattern to emit to",
      { name: "a", emit: ["a..b"], in: [], out: [] },
      "is not a channel pattern",
    ],
    [
      "too many",
      { name: "a", in: [{ channel: "a", json: 1, repeat: 1e9 }], out: [] },
      "repeat must be an integer",
    ],
  ];
  for (const [what, content, says] of refused) {
    test(`with ${what} is refused, saying where`, () => {
      const text = JSON.stringify(content);
      expect(() => parseCases(text, "x.json")).toThrow(CaseError);
      expect(() => parseCases(text, "x.json")).toThrow(says);
    });
  }
});

describe("the cases of a folder", () => {
  test("run each in a state of their own, in the order of their files", async () => {
    await using folder = await TempFolder.create();
    const one = { name: "one", in: [order({ price: 1 })], out: [{ json: { price: 10, seen: 1 } }] };
    await folder.write("b.json", JSON.stringify([one, { ...one, name: "two" }]));
    await folder.write("a.json", "{");
    await folder.write("notes.txt", "not a case");
    const report = await runCases(PATH, folder.path);
    expect(report).toMatchObject({ passed: 2, failed: 1 });
    expect(report.cases.map(({ name, passed }) => [name, passed])).toEqual([
      [join(folder.path, "a.json"), false],
      ["one", true],
      ["two", true],
    ]);
    expect(report.cases[0]?.diff[0]).toContain("a.json: JSON Parse error");
  });

  test("may be none", async () => {
    await using folder = await TempFolder.create();
    const none = { passed: 0, failed: 0, cases: [] };
    expect(await runCases(PATH, folder.path)).toEqual(none);
    expect(await runCases(PATH, join(folder.path, "gone"))).toEqual(none);
  });

  test("of a transform that cannot be loaded are not run", async () => {
    const run = runCases("./no-such-transform.ts", ".");
    expect(await rejection(run)).toBeInstanceOf(HarnessError);
  });

  test("beside each module of a pipeline run in the worker, and leave it as it is", async () => {
    await using under = await RuntimeUnderTest.create();
    const folder = join(under.folder.path, "cases");
    await mkdir(folder);
    const one = { name: "counts", in: [order({}), order({})], out: [{ text: "1" }, { text: "2" }] };
    await under.folder.write("cases/one.json", JSON.stringify(one));
    const source = transformModule(
      `lane: { create: () => ({ n: 0 }) },
      process(batch, ctx) { for (const m of batch) m.replace(String(++ctx.lane(m).n)); }`,
    );
    await under.load(source, source.replace("String(++", "String(10 + ++"));
    const report = await under.runtime.test();
    expect(report).toMatchObject({ passed: 1, failed: 1 });
    expect(report.cases.map(({ stage, passed }) => [stage, passed])).toEqual([
      [0, true],
      [1, false],
    ]);
    expect(report.cases[1]?.diff).toEqual([
      'out[0].text: expected "1", got "11"',
      'out[1].text: expected "2", got "12"',
    ]);
    expect(structuredClone(report)).toEqual(report);
    expect(await under.takeLanes()).toEqual([]);
    expect(await under.runtime.test()).toEqual(report);
  });
});
