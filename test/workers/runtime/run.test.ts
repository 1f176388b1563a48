import { describe, expect, test } from "bun:test";

import { message } from "../../../workers/testing/message.ts";
import { inShort, RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

const texts = (...payloads: readonly string[]) => payloads.map((text) => message("a.b", text));

/** The outcome of each message in a line, for a transform of these fields. */
async function outcomes(
  fields: string,
  payloads: readonly string[],
  emit: readonly string[] = [],
): Promise<string[]> {
  await using under = await RuntimeUnderTest.create();
  await under.load({ source: transformModule(fields), emit });
  return (await under.run(texts(...payloads))).outcomes.map(inShort);
}

const each = (body: string): string => `process(batch, ctx) { for (const m of batch) { ${body} } }`;

describe("a verdict", () => {
  const verdicts: readonly [string, string, string][] = [
    ["none passes", "", 'pass {"a":1}'],
    ["replaces by bytes", "m.replace(new Uint8Array([104, 105]))", "replace hi"],
    ["replaces by text", 'm.replace("hé")', "replace hé"],
    ["replaces by nothing", 'm.replace("")', "replace "],
    ["replaces by a view", "m.replace(new Uint16Array([0x6968]))", "replace hi"],
    ["replaces as JSON", "m.replaceJson({ b: m.json().a + 1 })", 'replace {"b":2}'],
    ["drops", 'm.drop("too old")', "drop too old"],
    ["drops without a reason", "m.drop()", "drop "],
    ["fails by text", 'm.fail("bad")', "fail verdict Error: bad"],
    ["fails by an error", 'm.fail(new RangeError("bad"))', "fail verdict RangeError: bad"],
    ["replaces one before", 'm.drop(); m.replace("x"); m.replace("y")', "replace y"],
    ["drops what was replaced", 'm.replace("x"); m.drop("no")', "drop no"],
  ];
  for (const [what, body, expected] of verdicts) {
    test(what, async () => {
      expect(await outcomes(each(body), ['{"a":1}'])).toEqual([expected]);
    });
  }

  test("of a value goes out as msgpack", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(transformModule(each("m.replace(m.json())")));
    const values = [{ a: [1, "b", null, true] }, 7, null, false, [1.5]];
    const { outcomes: all } = await under.run(values.map((value) => message("a", value)));
    expect(all.map((outcome) => outcome.output?.decode())).toEqual(values);
  });

  for (const [payload, says] of [
    ["undefined", "a payload cannot be undefined"],
    ["() => 1", "a payload cannot be function"],
    ["new Uint8Array(70000)", "70000 bytes is over the bound of 65536"],
    ['"漢".repeat(30000)', "90000 bytes is over the bound of 65536"],
  ] as const) {
    test(`of ${payload} fails the message alone`, async () => {
      const body = `if (m.index === 1) m.replace(${payload});`;
      const [before, failed, after] = await outcomes(each(body), ["x", "y", "z"]);
      expect([before, after]).toEqual(["pass x", "pass z"]);
      expect(failed).toStartWith("fail throw");
      expect(failed).toContain(says);
    });
  }

  test("that comes when its turn is over is refused, and harms no other message", async () => {
    const fields = `process(batch) {
      let kept = null;
      for (const m of batch) {
        try { if (m.index === 2) kept.drop("stolen"); } catch (error) { m.replace(error.message); }
        kept ??= m;
      }
    }`;
    const [first, second, third, fourth] = await outcomes(fields, ["a", "b", "c", "d"]);
    expect([first, second, fourth]).toEqual(["pass a", "pass b", "pass d"]);
    expect(third).toContain("message 0 was given a verdict when its turn was over");
  });

  test("that comes when process is done is refused", async () => {
    await using under = await RuntimeUnderTest.create();
    const imports = "const kept = [];";
    const body = `for (const old of kept) old.drop("late"); kept.push(m);`;
    await under.load(transformModule(each(body), imports));
    expect((await under.run(texts("a"))).outcomes.map(inShort)).toEqual(["pass a"]);
    const { outcomes: all } = await under.run(texts("b"));
    expect(all.map(inShort)[0]).toContain("a message was used after process was done");
  });

  test("of an async transform may come at any time until process is done", async () => {
    const fields = `async: true, async process(batch) {
      const all = [...batch];
      await Promise.all(all.toReversed().map(async (m) => {
        await null;
        if (m.text() === "b") m.replace("B" + m.index); else m.drop(m.text());
      }));
    }`;
    expect(await outcomes(fields, ["a", "b", "c"])).toEqual(["drop a", "replace B1", "drop c"]);
  });
});

describe("a throw", () => {
  test("concerns the message in whose turn it is, after a second try alone", async () => {
    const fields = `process(batch, ctx) {
      for (const m of batch) {
        if (m.text() === "bad") throw new RangeError("bad " + ctx.attempt);
        m.replace(m.text() + ctx.attempt);
      }
    }`;
    expect(await outcomes(fields, ["a", "bad", "c", "bad", "bad", "f"])).toEqual([
      "replace a1",
      "fail throw RangeError: bad 2 @5",
      "replace c1",
      "fail throw RangeError: bad 2 @5",
      "fail throw RangeError: bad 2 @5",
      "replace f1",
    ]);
  });

  test("that a second try does not repeat is forgotten, with what was done before it", async () => {
    const fields = `process(batch, ctx) {
      for (const m of batch) {
        if (m.text() !== "b") continue;
        m.setHeader("tries", String(ctx.attempt));
        if (ctx.attempt === 1) m.setHeader("first", "yes");
        m.emit("seen", m.text());
        if (ctx.attempt === 1) { m.drop("gone"); throw new Error("once"); }
      }
    }`;
    await using under = await RuntimeUnderTest.create();
    await under.load({ source: transformModule(fields), emit: ["seen"] });
    const { outcomes: all } = await under.run(texts("a", "b", "c"));
    expect(all.map(inShort)).toEqual(["pass a", "pass b", "pass c"]);
    expect(all[1]?.headers).toEqual({ tries: "2" });
    expect(all[1]?.emissions).toHaveLength(1);
  });

  test("outside of any turn is a fault of the batch", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(transformModule('process(batch) {\n throw new TypeError("odd");\n}'));
    const { reply } = await under.run(texts("a", "b"));
    expect(reply.verdicts.length).toBe(0);
    expect(reply.fault).toMatchObject({
      stage: 0,
      index: -1,
      fault: { type: "throw", name: "TypeError", message: "odd", line: 4 },
    });
  });

  test("of an async transform is a fault of the batch that names the message begun last", async () => {
    await using under = await RuntimeUnderTest.create();
    const body = `await null; if (m.text() === "b") throw "odd";`;
    await under.load(transformModule(`async: true, async ${each(body)}`));
    const { reply } = await under.run(texts("a", "b", "c"));
    expect(reply.fault).toMatchObject({ stage: 0, index: 1, fault: { message: "threw odd" } });
    expect((await under.run(texts("a"))).outcomes.map(inShort)).toEqual(["pass a"]);
  });

  test("of a process that is async without saying so is a fault of the batch", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(transformModule("process() { return Promise.reject(new Error('x')); }"));
    const { reply } = await under.run(texts("a"));
    expect(reply.fault?.fault.message).toContain("declare `async: true`");
    const { reply: next } = await under.run(texts("a"));
    expect(next.notes?.faults[0]?.fault).toMatchObject({ type: "crash", message: "x" });
  });
});

describe("a message", () => {
  test("tells its meta, and headers as they were changed", async () => {
    await using under = await RuntimeUnderTest.create();
    const body = `
      const before = [m.channel, m.key, m.id, m.user, m.header("a"), m.header("b")];
      m.setHeader("b", "2"); m.setHeader("b", "3"); m.setHeader("c", "4");
      m.replaceJson([...before, m.header("a"), m.header("b")]);`;
    await under.load(transformModule(each(body)));
    const options = { key: "k", id: "i", user: "u", headers: { a: "1", b: "1" } };
    const { outcomes: all } = await under.run([message("x.y", "", options), message("z", "")]);
    expect(all.map((outcome) => outcome.output?.json())).toEqual([
      ["x.y", "k", "i", "u", "1", "1", "1", "3"],
      ["z", null, null, null, null, null, null, "3"],
    ]);
    expect(all.map((outcome) => outcome.headers)).toEqual([
      { a: "1", b: "3", c: "4" },
      { b: "3", c: "4" },
    ]);
  });

  test("takes headers within bounds only", async () => {
    const bad = [
      'm.setHeader("", "x")',
      'm.setHeader("x".repeat(65), "x")',
      'm.setHeader("x", "é".repeat(513))',
      'm.setHeader("x", 7)',
      'for (let i = 0; i < 17; i++) m.setHeader("h" + i, "")',
      'for (let i = 0; i < 5; i++) m.setHeader("h" + i, "x".repeat(1000))',
    ];
    for (const body of bad) {
      const [line] = await outcomes(each(body), ["a"]);
      expect(line).toStartWith("fail");
      expect(line).toMatch(/header/);
    }
  });

  test("is decoded as msgpack or JSON, and as nothing else", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(transformModule(each("m.replaceJson([m.decode()])")));
    const extension = Uint8Array.of(0xd4, 0x72, 0x40);
    const { outcomes: all } = await under.run([
      message("a", { b: [1, "c"] }),
      message("a", { b: [1, "c"] }, { encoding: "msgpack" }),
      message("a", '  "text"'),
      message("a", extension),
      message("a", Uint8Array.of(0x91)),
      message("a", new Uint8Array(0)),
      message("a", Uint8Array.of(...new Uint8Array(100).fill(0x91), 0xc0)),
    ]);
    const lines = all.map(inShort);
    expect(lines.slice(0, 3)).toEqual([
      'replace [{"b":[1,"c"]}]',
      'replace [{"b":[1,"c"]}]',
      'replace ["text"]',
    ]);
    expect(lines[3]).toContain("msgpack format 0xd4 is not taken");
    expect(lines[4]).toContain("cut short");
    expect(lines[5]).toContain("cut short");
    expect(lines[6]).toContain("nested too deep");
  });

  test("that does not match passes by, whatever process would do", async () => {
    const match = 'match: { channels: ["a.*"], minBytes: 2, maxBytes: 3 }';
    await using under = await RuntimeUnderTest.create();
    await under.load(transformModule(`${match}, ${each("m.drop()")}`));
    const { outcomes: all } = await under.run([
      message("a.b", "x"),
      message("a.b", "xx"),
      message("a.b", "xxxx"),
      message("c", "xx"),
    ]);
    expect(all.map((outcome) => outcome.verdict)).toEqual(["pass", "drop", "pass", "pass"]);
  });
});

describe("an emission", () => {
  test("goes to the channels the binding allows", async () => {
    await using under = await RuntimeUnderTest.create();
    const body = 'm.emit("out.1", "one"); m.emit("out.2", { a: 1 }, { key: "k" }); m.drop();';
    await under.load({ source: transformModule(each(body)), emit: ["out.*"] });
    const { outcomes: all } = await under.run(texts("x"));
    expect(all[0]?.emissions.map(({ channel, key }) => [channel, key])).toEqual([
      ["out.1", null],
      ["out.2", "k"],
    ]);
    expect(all[0]?.emissions[0]?.text()).toBe("one");
    expect(all[0]?.emissions[1]?.decode()).toEqual({ a: 1 });
  });

  for (const [what, body, says] of [
    ["a channel that is not allowed", 'm.emit("secret", "")', 'not allow to emit to "secret"'],
    ["a channel deeper than allowed", 'm.emit("out.a.b", "")', "not allow"],
    ["a pattern", 'm.emit("out.*", "")', '"out.*" is not a channel name'],
    ["no channel", "m.emit(undefined, '')", "undefined is not a channel name"],
    ["a key that is too long", 'm.emit("out.a", "", { key: "k".repeat(257) })', "a key must be"],
    ["too many", 'for (let i = 0; i < 9; i++) m.emit("out.a", "")', "over the bound of 8"],
  ] as const) {
    test(`to ${what} fails the message, and nothing is emitted`, async () => {
      await using under = await RuntimeUnderTest.create();
      const fields = each(`if (m.index === 1) { m.emit("out.a", "1"); ${body}; }`);
      await under.load({ source: transformModule(fields), emit: ["out.*"] });
      const { outcomes: all } = await under.run(texts("x", "y", "z"));
      expect(all.map((outcome) => outcome.verdict)).toEqual(["pass", "fail", "pass"]);
      expect(all[1]?.error).toMatchObject({ type: "emission", name: "EmissionError" });
      expect(all[1]?.error?.message).toContain(says);
      expect(all[1]?.emissions).toEqual([]);
    });
  }
});

describe("progress", () => {
  test("names the message begun last, its stage and the batch", async () => {
    await using under = await RuntimeUnderTest.create();
    const source = transformModule(each('if (m.text() === "b") m.drop();'));
    await under.load(source, source);
    await under.run(texts("a"));
    await under.run(texts("a", "b", "c"));
    expect([...new Int32Array(under.progress)]).toEqual([3 + 2, 2, 2, 1]);
  });
});
