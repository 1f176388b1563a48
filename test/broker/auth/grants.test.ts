import { describe, expect, test } from "bun:test";

import { allGrants, compileGrants } from "../../../broker/auth/grants.ts";
import { channelNameKind } from "../../../protocol/channel-name.ts";
import { plainMatches } from "../../support/pattern-regexp.ts";
import { announceSeed, Random } from "../../support/random.ts";

const none = { publish: [], subscribe: [], presence: [] };

test("nothing granted allows nothing, and each kind only itself", () => {
  const grants = compileGrants(none);
  expect([grants.mayPublish("a"), grants.maySubscribe("a"), grants.mayPresence("a")]).toEqual([
    false,
    false,
    false,
  ]);
  const publisher = compileGrants({ ...none, publish: ["a"] });
  expect([
    publisher.mayPublish("a"),
    publisher.maySubscribe("a"),
    publisher.mayPresence("a"),
  ]).toEqual([true, false, false]);
  const subscriber = compileGrants({ ...none, subscribe: ["a"] });
  expect([
    subscriber.mayPublish("a"),
    subscriber.maySubscribe("a"),
    subscriber.mayPresence("a"),
  ]).toEqual([false, true, false]);
  const watcher = compileGrants({ ...none, presence: ["a"] });
  expect([watcher.mayPublish("a"), watcher.maySubscribe("a"), watcher.mayPresence("a")]).toEqual([
    false,
    false,
    true,
  ]);
});

describe("a subscription needs a grant that covers all it can match", () => {
  const cases: [string[], string, boolean][] = [
    [["chat.room"], "chat.room", true],
    [["chat.room"], "chat.Room", false],
    [["chat.room"], "chat.room.x", false],
    [["chat.room"], "chat.*", false],
    [["chat.*"], "chat.room", true],
    [["chat.*"], "chat.*", true],
    [["chat.*"], "chat.>", false],
    [["chat.*"], "chat", false],
    [["chat.*"], "chat.a.b", false],
    [["chat.>"], "chat.>", true],
    [["chat.>"], "chat.*.x", true],
    [["chat.>"], "chat", false],
    [["chat.>"], ">", false],
    [[">"], ">", true],
    [["*"], ">", false],
    [["a.*", "a.b.>"], "a.>", false],
    // Two grants that only together cover a pattern do not: each is judged by itself.
    [["a.*", "a.*.>"], "a.>", false],
  ];
  test.each(cases)("%j allows %s: %p", (subscribe, wanted, allowed) => {
    expect(compileGrants({ ...none, subscribe }).maySubscribe(wanted)).toBe(allowed);
  });
});

test("decisions about random grants are those of an oracle that tries every channel", () => {
  const random = new Random(announceSeed("grants"));
  const words = ["a", "b", "*", ">"];
  const arbitraryPattern = (): string => {
    const segments = Array.from({ length: random.between(1, 3) }, () => random.pick(words));
    const end = segments.indexOf(">");
    return segments.slice(0, end < 0 ? segments.length : end + 1).join(".");
  };
  // "z" stands for every segment that no grant names; four levels are one more than any pattern has.
  const level = ["a", "b", "z"];
  const names = level.flatMap((one) => [
    one,
    ...level.flatMap((two) => [
      `${one}.${two}`,
      ...level.flatMap((three) => [
        `${one}.${two}.${three}`,
        ...level.map((four) => `${one}.${two}.${three}.${four}`),
      ]),
    ]),
  ]);
  let allowed = 0;
  for (let round = 0; round < 3000; round++) {
    const subscribe = Array.from({ length: random.between(0, 3) }, arbitraryPattern);
    const wanted = arbitraryPattern();
    const reachable = names.filter((name) => plainMatches(wanted, name));
    const oracle = subscribe.some((grant) => reachable.every((name) => plainMatches(grant, name)));
    const grants = compileGrants({ ...none, subscribe, publish: subscribe });
    expect([subscribe, wanted, grants.maySubscribe(wanted)]).toEqual([subscribe, wanted, oracle]);
    if (channelNameKind(wanted) === "name") expect(grants.mayPublish(wanted)).toBe(oracle);
    if (oracle) allowed++;
  }
  // The cases are not all of one kind.
  expect(allowed).toBeGreaterThan(200);
  expect(allowed).toBeLessThan(2800);
});

test("without access control everything is allowed", () => {
  expect([
    allGrants.mayPublish("a"),
    allGrants.maySubscribe(">"),
    allGrants.mayPresence("a"),
  ]).toEqual([true, true, true]);
});
