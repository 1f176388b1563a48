import { describe, expect, test } from "bun:test";

import { message } from "../../../workers/testing/message.ts";
import { announceSeed, Random } from "../../support/random.ts";
import { inShort, RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

const seed = announceSeed("pipeline");

/** Does as the payload's letter for this stage says, and adds its own to what goes on. */
const stage = (n: number, isAsync: boolean): string =>
  transformModule(`${isAsync ? "async: true, async " : ""}process(batch, ctx) {
  for (const m of batch) {
    ${isAsync ? "await null;" : ""}
    const text = m.text();
    const act = text[${n}];
    if (act === "d") m.drop("stage ${n}");
    if (act === "f") m.fail("stage ${n}");
    if (act === "r") m.replace(text + ":${n}");
    if (act === "e") { m.emit("out.${n}", text); m.setHeader("stage", "${n}"); m.setHeader("s${n}", ""); }
  }
}`);

interface Model {
  verdict: "pass" | "replace" | "drop" | "fail";
  text: string;
  emissions: string[];
  headers: Record<string, string>;
}

/** What three stages make of a payload, worked out by hand. */
function modelled(payload: string): Model {
  const model: Model = { verdict: "pass", text: payload, emissions: [], headers: {} };
  for (let n = 0; n < 3; n++) {
    const act = payload[n];
    if (act === "d" || act === "f") {
      const isDrop = act === "d";
      const emissions = isDrop ? model.emissions : [];
      return { verdict: isDrop ? "drop" : "fail", text: "", emissions, headers: {} };
    }
    if (act === "r") {
      model.text += `:${n}`;
      model.verdict = "replace";
    }
    if (act === "e") {
      model.emissions.push(`out.${n} ${model.text}`);
      model.headers["stage"] = String(n);
      model.headers[`s${n}`] = "";
    }
  }
  return model;
}

const emit = (channel: string): string =>
  transformModule(`process(batch) { for (const m of batch) m.emit("${channel}", "x"); }`);

describe("a pipeline of three stages", () => {
  for (const asyncStage of [-1, 1]) {
    const what = asyncStage === -1 ? "all sync" : "the second one async";
    test(`gives every message what each stage says, in order (${what})`, async () => {
      const random = new Random(seed);
      await using under = await RuntimeUnderTest.create();
      const stages = [0, 1, 2].map((n) => ({
        source: stage(n, n === asyncStage),
        emit: [`out.${n}`],
      }));
      await under.load(...stages);
      for (let round = 0; round < 100; round++) {
        const payloads = Array.from({ length: random.below(50) }, () => random.text(3, "prrddfe"));
        const { outcomes } = await under.run(payloads.map((text) => message("a.b", text)));
        const seen = outcomes.map((outcome) => ({
          verdict: outcome.verdict,
          text: outcome.output?.text() ?? "",
          emissions: outcome.emissions.map((out) => `${out.channel} ${out.text()}`),
          headers: outcome.output === null ? {} : outcome.headers,
        }));
        expect(seen).toEqual(payloads.map(modelled));
      }
    });
  }

  test("names the stage that dropped, failed or threw", async () => {
    await using under = await RuntimeUnderTest.create();
    const thrower = transformModule(
      'process(batch) { for (const m of batch) if (m.text()[2] === "t") throw new Error("stage 2"); }',
    );
    await under.load(stage(0, false), stage(1, false), thrower);
    const { outcomes } = await under.run(
      ["pd", "pf", "ppt", "ppp"].map((text) => message("a", text)),
    );
    expect(outcomes.map(inShort)).toEqual([
      "drop stage 1",
      "fail verdict Error: stage 1",
      "fail throw Error: stage 2 @3",
      "pass ppp",
    ]);
  });

  test("may emit in each stage only what that stage's binding allows", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(
      { source: emit("one"), emit: ["one"] },
      { source: emit("one"), emit: ["two"] },
    );
    const { outcomes } = await under.run([message("a", "x")]);
    expect(outcomes[0]?.error?.message).toContain('not allow to emit to "one"');
  });

  test("looks at what a stage made of a message before the next one gets it", async () => {
    await using under = await RuntimeUnderTest.create();
    const grow = transformModule(
      'process(batch) { for (const m of batch) m.replace("long text"); }',
    );
    const large = transformModule(
      "match: { minBytes: 5 }, process(batch) { for (const m of batch) m.drop(); }",
    );
    await under.load(grow, large);
    const { outcomes } = await under.run([message("a", "x")]);
    expect(outcomes.map(inShort)).toEqual(["drop "]);
  });
});
