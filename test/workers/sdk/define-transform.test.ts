import { describe, expect, test } from "bun:test";

import * as v from "valibot";
import * as z from "zod";

import { defineTransform, TRANSFORM_API } from "../../../workers/sdk/index.ts";
import { harness, message } from "../../../workers/testing/index.ts";

/** The types are the test: each member is used as what the definition makes it, and the compiler checks that. */
describe("a definition", () => {
  test("has its configuration, state and lanes typed from its parts (zod)", async () => {
    const definition = defineTransform({
      api: TRANSFORM_API,
      name: "typed-zod",
      version: "1.0.0",
      config: z.object({ factor: z.number().default(2) }),
      setup: (config) => ({ times: config.factor }),
      lane: { create: (channel, state, config) => [channel, state.times, config.factor] as const },
      process(batch, { state, config, lane }) {
        for (const item of batch) {
          const [channel, times, factor]: readonly [string, number, number] = lane(item);
          item.replaceJson({ channel, sum: times + factor + state.times + config.factor });
        }
      },
      teardown: (state) => {
        state.times.toFixed();
      },
    });
    await using h = harness(definition);
    const { outputs } = await h.run([message("a", "")]);
    expect(outputs[0]?.json()).toEqual({ channel: "a", sum: 8 });
  });

  test("has its configuration typed from another library (valibot)", async () => {
    const definition = defineTransform({
      name: "typed-valibot",
      version: "1.0.0",
      config: v.object({ words: v.array(v.string()) }),
      setup: async (config) => new Set(await Promise.resolve(config.words)),
      process(batch, { state, config }) {
        for (const item of batch) {
          const words: string[] = config.words;
          if (state.has(item.text())) item.replaceJson(words);
        }
      },
    });
    await using h = harness(definition, { config: { words: ["a"] } });
    const { verdicts } = await h.run([message("x", "a"), message("x", "b")]);
    expect(verdicts).toEqual(["replace", "pass"]);
  });

  test("needs nothing but a name, a version and process", async () => {
    const definition = defineTransform({
      name: "least",
      version: "0.0.1",
      process(batch, { state, config, lane }) {
        const nothing: undefined = state ?? config;
        for (const item of batch) {
          const none: (of: typeof item) => undefined = lane;
          item.replaceJson([typeof none, nothing === undefined]);
        }
      },
    });
    await using h = harness(definition);
    const { outputs } = await h.run([message("a", "")]);
    expect(outputs[0]?.json()).toEqual(["function", true]);
  });
});
