import { describe, expect, test } from "bun:test";

import { Namespaces } from "../../../broker/channels/namespace.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import { problemsOf } from "../../support/config-problems.ts";

/** Names of the options that an input has wrong. */
function where(input: object): string[] {
  return problemsOf(input).map((problem) => problem.split(":")[0] as string);
}

describe("namespaces", () => {
  test("what a namespace leaves out comes from the options, and the last matches everything", () => {
    const { namespaces } = buildConfig({
      historySize: 10,
      maxSubscribersPerChannel: 7,
      namespaces: [{ pattern: "chat.*", historyTtlMs: "1h" }],
    });
    expect(namespaces).toEqual([
      {
        pattern: "chat.*",
        historySize: 10,
        historyTtlMs: 3_600_000,
        flushIntervalMs: 0,
        presence: true,
        maxPayloadBytes: 64_512,
        maxSubscribers: 7,
        ack: "accepted",
        routing: "partition",
        delivery: "total",
        traceRate: 0.001,
        slowMs: 250,
      },
      {
        pattern: ">",
        historySize: 10,
        historyTtlMs: 300_000,
        flushIntervalMs: 0,
        presence: true,
        maxPayloadBytes: 64_512,
        maxSubscribers: 7,
        ack: "accepted",
        routing: "partition",
        delivery: "total",
        traceRate: 0.001,
        slowMs: 250,
      },
    ]);
    expect(new Namespaces(namespaces).resolve("chat.a").historyTtlMs).toBe(3_600_000);
    expect(new Namespaces(namespaces).resolve("other").historyTtlMs).toBe(300_000);
  });

  test("a last namespace for everything is not doubled", () => {
    const { namespaces } = buildConfig({ namespaces: [{ pattern: ">", historySize: 1 }] });
    expect(namespaces.map(({ pattern, historySize }) => [pattern, historySize])).toEqual([
      [">", 1],
    ]);
  });

  test.each<[unknown, RegExp]>([
    ["[", /^namespaces: is not JSON/],
    [{}, /^namespaces: \{\} is not a list of namespaces$/],
    [[null], /^namespaces: entry 1 is not an object with a pattern$/],
    [[[]], /^namespaces: entry 1 is not an object with a pattern$/],
    [[5], /^namespaces: entry 1 is not an object with a pattern$/],
    [[{ historySize: 1 }], /^namespaces: entry 1: undefined is not a channel name or pattern$/],
    [[{ pattern: "a..b" }], /^namespaces: entry 1: "a..b" is not a channel name or pattern$/],
    [
      [{ pattern: "a", historyTtl: 5 }],
      /^namespaces: "a", historyTtl: did you mean historyTtlMs\?$/,
    ],
    [
      [{ pattern: "a", nonsense: 5 }],
      /^namespaces: "a", nonsense: is not an option of a namespace; those are/,
    ],
    [[{ pattern: "a", historySize: -1 }], /^namespaces: "a", historySize: -1 is out of range/],
    [
      [{ pattern: ">" }, { pattern: "a.b" }],
      /^namespaces: "a.b" is never used, because ">" stands before it/,
    ],
    [[{ pattern: "a.*" }, { pattern: "a.b" }], /^namespaces: "a.b" is never used/],
  ])("%j is refused", (namespaces, message) => {
    expect(problemsOf({ namespaces })).toEqual([expect.stringMatching(message)]);
  });

  test("local-first delivery and history exclude one another, wherever each is set", () => {
    const localFirst = { delivery: "local-first" };
    const plain = { historySize: 0 };
    expect(where(localFirst)).toEqual(["delivery, historySize"]);
    expect(problemsOf(localFirst)[0]).toContain("set historySize to 0 (it is 256)");
    expect(where({ namespaces: [{ pattern: "a", ...localFirst }] })).toEqual(['namespaces, "a"']);
    expect(
      where({ ...localFirst, ...plain, namespaces: [{ pattern: "a", historySize: 1 }] }),
    ).toEqual(['namespaces, "a"']);
    for (const allowed of [
      { ...localFirst, ...plain },
      { namespaces: [{ pattern: "a", ...localFirst, ...plain }] },
      { ...localFirst, namespaces: [{ pattern: ">", delivery: "total" }] },
    ])
      expect(() => buildConfig(allowed as object)).not.toThrow();
  });

  test("there may be 256 of them", () => {
    const namespaces = Array.from({ length: 257 }, (_, i) => ({ pattern: `a${i}` }));
    expect(problemsOf({ namespaces })).toEqual(["namespaces: has 257 entries; 256 at most"]);
    expect(problemsOf({ namespaces: namespaces.slice(1) })).toEqual([]);
  });
});
