import { describe, expect, test } from "bun:test";

import { Namespaces } from "../../../broker/channels/namespace.ts";
import { buildConfig } from "../../../broker/config/config.ts";

describe("namespaces", () => {
  test("the first that matches a channel wins, and the rest get the defaults", () => {
    const { namespaces } = buildConfig({
      historySize: 9,
      namespaces: [
        { pattern: "chat.private.*", historySize: 1 },
        { pattern: "chat.>", historySize: 2 },
        { pattern: "*.private.*", historySize: 3 },
      ],
    });
    const found = new Namespaces(namespaces);
    const sizeOf = (channel: string): number => found.resolve(channel).historySize;
    expect(sizeOf("chat.private.a")).toBe(1);
    expect(sizeOf("chat.private.a.b")).toBe(2);
    expect(sizeOf("chat.open")).toBe(2);
    expect(sizeOf("game.private.a")).toBe(3);
    expect(sizeOf("chat")).toBe(9);
  });

  test("offer no pattern that could match a channel with a pub/sub channel of its own", () => {
    const { namespaces } = buildConfig({
      namespaces: [
        { pattern: "user.feed.>" },
        { pattern: "user.*", routing: "channel" },
        { pattern: "*.private.>", routing: "channel" },
      ],
    });
    const found = new Namespaces(namespaces);
    const refused = [">", "*.*", "user.>", "user.*", "*.a", "room.*.x", "room.>", "user.*.x"];
    const offered = ["*", "room.*", "user.feed.>", "user.feed.private.*", "user.a.*", "*.a.>"];
    expect(refused.filter((pattern) => found.offersPattern(pattern))).toEqual([]);
    expect(offered.filter((pattern) => !found.offersPattern(pattern))).toEqual([]);
  });

  test("cannot be made without one for everything else", () => {
    const { namespaces } = buildConfig({ namespaces: [{ pattern: "chat.>" }] });
    expect(() => new Namespaces(namespaces.slice(0, 1))).toThrow("'>'");
    expect(() => new Namespaces([])).toThrow("'>'");
  });
});
