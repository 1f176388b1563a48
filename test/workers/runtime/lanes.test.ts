import { describe, expect, test } from "bun:test";

import { message } from "../../../workers/testing/message.ts";
import { inShort, RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

/** Numbers the messages of each lane. */
const numbering = (lane: string, order = "channel"): string =>
  transformModule(`order: "${order}", config: undefined,
  setup: () => ({ made: 0 }),
  lane: { create: (channel, state) => ({ channel, seen: 0, made: ++state.made }), ${lane} },
  process(batch, ctx) {
    for (const m of batch) {
      const lane = ctx.lane(m);
      m.replace(lane.channel + " " + ++lane.seen + " of " + lane.made);
    }
  }`);

const MOVABLE = `snapshot: (lane) => ({ seen: lane.seen }),
  restore: (snapshot, channel) => ({ channel: channel + "!", seen: snapshot.seen, made: -1 }),`;
const LOOKS_BACK = "lookBack: 2, replay(lane, m) { lane.seen += m.json(); },";

const on = (...channels: readonly string[]) => channels.map((channel) => message(channel, "x"));

async function lines(under: RuntimeUnderTest, ...channels: readonly string[]): Promise<string[]> {
  const { outcomes } = await under.run(on(...channels));
  return outcomes.map((outcome) => outcome.output?.text() ?? inShort(outcome));
}

describe("lane state", () => {
  test("is one for each channel, made on demand, and stays", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(numbering(""));
    expect(await lines(under, "a", "b", "a")).toEqual(["a 1 of 1", "b 1 of 2", "a 2 of 1"]);
    expect(await lines(under, "c", "a")).toEqual(["c 1 of 3", "a 3 of 1"]);
  });

  test("is one for each key, for a transform that orders by key", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(numbering("", "key"));
    const { outcomes } = await under.run([
      message("a", "", { key: "1" }),
      message("a", "", { key: "2" }),
      message("a", "", { key: "1" }),
      message("a", ""),
      message("b", "", { key: "1" }),
    ]);
    expect(outcomes.map((outcome) => outcome.output?.text())).toEqual([
      "a 1 of 1",
      "a 1 of 2",
      "a 2 of 1",
      "a 1 of 3",
      "b 1 of 4",
    ]);
  });

  test("moves to another worker as a snapshot, and is forgotten where it was", async () => {
    await using from = await RuntimeUnderTest.create();
    await using to = await RuntimeUnderTest.create();
    await from.load(numbering(MOVABLE));
    await to.load(numbering(MOVABLE));
    await lines(from, "a", "a", "b");
    const taken = await from.takeLanes(["a"]);
    expect(taken).toEqual([
      { lane: "a", stage: 0, channel: "a", key: null, snapshot: { seen: 2 } },
    ]);
    await to.runtime.putLanes(structuredClone(taken));
    expect(await lines(to, "a", "b")).toEqual(["a! 3 of -1", "b 1 of 1"]);
    expect(await lines(from, "a", "b")).toEqual(["a 1 of 3", "b 2 of 2"]);
    expect((await from.takeLanes()).map(({ lane }) => lane).toSorted()).toEqual(["a", "b"]);
    expect(await from.takeLanes()).toEqual([]);
  });

  test("by key moves with the host's lane, whatever that is", async () => {
    await using under = await RuntimeUnderTest.create();
    // The first stage makes the host's lane the channel; the second keeps a state for each key.
    await under.load(transformModule("process() {}"), numbering(MOVABLE, "key"));
    await under.run([message("a", "", { key: "1" }), message("a", "", { key: "2" })]);
    const taken = await under.takeLanes(["a"]);
    expect(taken.map(({ lane, stage, key }) => [lane, stage, key])).toEqual([
      ["a", 1, "1"],
      ["a", 1, "2"],
    ]);
    await under.runtime.putLanes(taken);
    const { outcomes } = await under.run([message("a", "", { key: "2" })]);
    expect(outcomes[0]?.output?.text()).toBe("a! 2 of -1");
  });

  test("without snapshots is forgotten when it is taken", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(numbering(""));
    await lines(under, "a", "b");
    expect(await under.takeLanes(["a"])).toEqual([]);
    expect(await lines(under, "a", "b")).toEqual(["a 1 of 3", "b 2 of 2"]);
  });

  test("is filled from the newest of a channel's history, once", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(numbering(LOOKS_BACK));
    const history = [100, 10, 1].map((value) => new TextEncoder().encode(String(value)));
    await under.runtime.replay("a", "a", history);
    await under.runtime.replay("a", "a", history);
    expect(await lines(under, "a", "b")).toEqual(["a 12 of 1", "b 1 of 2"]);
  });

  for (const [what, lane, act] of [
    [
      "snapshot that throws",
      MOVABLE.replace("({ seen: lane.seen })", "{ throw new Error('no') }"),
      "take",
    ],
    ["snapshot that cannot be cloned", MOVABLE.replace("seen: lane.seen", "f: () => 1"), "take"],
    ["restore that throws", MOVABLE.replace("({ channel: channel", "no({ channel: channel"), "put"],
    [
      "replay that throws",
      LOOKS_BACK.replace("lane.seen", "throw new Error('no'); lane.seen"),
      "replay",
    ],
  ] as const) {
    test(`survives a ${what}: the fault is noted and the lane begins anew`, async () => {
      await using under = await RuntimeUnderTest.create();
      await under.load(numbering(lane));
      if (act === "replay") await under.runtime.replay("a", "a", [new Uint8Array([48])]);
      else {
        await lines(under, "a");
        if (act === "take") expect(await under.takeLanes()).toEqual([]);
        else await under.runtime.putLanes(await under.takeLanes());
      }
      const { reply, outcomes } = await under.run(on("a"));
      expect(outcomes[0]?.output?.text()).toMatch(/^a 1 of/);
      expect(reply.notes?.faults).toHaveLength(1);
      expect(reply.notes?.faults[0]).toMatchObject({ stage: 0, fault: { type: "throw" } });
    });
  }

  test("is asked for by a message of the batch only", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(
      transformModule(`lane: { create: () => 1 },
      process(batch, ctx) { for (const m of batch) ctx.lane({ channel: "b", index: 0 }); }`),
    );
    expect((await lines(under, "a"))[0]).toContain("lane() takes a message of the batch");
    await under.load(
      transformModule(
        `lane: { create: () => 1 },
        process(batch, ctx) { for (const m of batch) { ctx.lane(kept ?? m); kept = m; } }`,
        "let kept;",
      ),
    );
    expect(await lines(under, "a")).toEqual(["x"]);
    expect((await lines(under, "b"))[0]).toContain("lane() takes a message of the batch");
    await under.load(
      transformModule("process(batch, ctx) { for (const m of batch) ctx.lane(m); }"),
    );
    expect((await lines(under, "a"))[0]).toContain("the transform has no `lane`");
  });
});
