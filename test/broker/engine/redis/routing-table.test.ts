import { describe, expect, test } from "bun:test";

import { Namespaces } from "../../../../broker/channels/namespace.ts";
import type { NamespaceOptions, Routing } from "../../../../broker/channels/namespace.ts";
import { describeDifference, routingText } from "../../../../broker/engine/redis/routing-table.ts";
import type { RoutedPattern } from "../../../../broker/engine/redis/routing-table.ts";
import { announceSeed, Random } from "../../../support/random.ts";

function table(...entries: readonly (readonly [string, Routing])[]): RoutedPattern[] {
  return entries.map(([pattern, routing]) => ({ pattern, routing }));
}

const PARTITION = [">", "partition"] as const;

describe("the text of a routing", () => {
  test("leaves out what makes no difference", () => {
    const none = routingText();
    expect(none).toBe("> partition");
    expect(routingText(table(["room.*", "partition"], PARTITION))).toBe(none);
    expect(routingText(table(["user.*", "channel"], ["user.a", "channel"], PARTITION))).toBe(
      routingText(table(["user.*", "channel"], PARTITION)),
    );
  });

  test("is the same in whichever order, where that makes no difference", () => {
    const one = table(["user.*", "channel"], ["plain.*", "channel"], PARTITION);
    const other = table(["plain.*", "channel"], ["user.*", "channel"], PARTITION);
    expect(routingText(one)).toBe(routingText(other));
  });

  test("differs with the order, where that makes one", () => {
    const one = table(["user.a", "partition"], ["user.*", "channel"], PARTITION);
    const other = table(["user.*", "channel"], ["user.a", "partition"], PARTITION);
    expect(routingText(one)).not.toBe(routingText(other));
  });

  test("is the same only for those that route every channel the same way", () => {
    const random = new Random(announceSeed("routing"));
    const words = ["a", "b", "c"];
    const names = words.flatMap((one) => [one, ...words.map((two) => `${one}.${two}`)]);
    const patterns = [...names, "*", "*.a", "*.b", "a.*", "b.*", "a.>", "b.>", "*.*"];
    const byText = new Map<string, string>();
    for (let i = 0; i < 3000; i++) {
      const entries = Array.from({ length: random.below(4) }, (): RoutedPattern => ({
        pattern: patterns[random.below(patterns.length)] as string,
        routing: random.below(2) === 0 ? "channel" : "partition",
      }));
      const all = [...entries, { pattern: ">", routing: "partition" } as const];
      const namespaces = new Namespaces(all as unknown as readonly NamespaceOptions[]);
      const routes = names.map((name) => namespaces.resolve(name).routing).join();
      const text = routingText(all);
      expect(byText.get(text) ?? routes).toBe(routes);
      byText.set(text, routes);
      expect(routingText(all)).toBe(text);
    }
  });
});

test("a difference is told by the option that has it", () => {
  const plain = routingText();
  const user = routingText(table(["user.*", "channel"], PARTITION));
  const all = routingText(table([">", "channel"]));
  expect(describeDifference(plain, user)).toBe(
    'the routing of the namespace "user.*" is "partition" here and "channel" there',
  );
  expect(describeDifference(all, plain)).toBe('routing is "channel" here and "partition" there');
  const one = routingText(table(["a.*", "partition"], ["*.b", "channel"], PARTITION));
  const other = routingText(table(["*.b", "channel"], PARTITION));
  expect(describeDifference(one, other)).toContain("routing");
});
