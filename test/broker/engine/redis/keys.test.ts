import { describe, expect, test } from "bun:test";

import { Keys, nameHash } from "../../../../broker/engine/redis/keys.ts";
import { slotOf } from "../../../../broker/engine/redis/partition-map.ts";
import { Random } from "../../../support/random.ts";

const HOSTILE = [
  "a:h:b",
  "{x}",
  "}{p0}",
  "tw:{p0}:cfg",
  "*",
  "?[a-z]",
  "a\0b",
  "a",
  "",
  "\n\r\n",
  "é",
  "x".repeat(255),
  "a:c",
  "$",
];

/** Every key one channel and one of its publication ids lead to. */
function keysOf(keys: Keys, channel: string, id: string): string[] {
  const partition = keys.partition(channel);
  const hash = nameHash(channel);
  return [
    keys.history(partition, hash),
    keys.meta(partition, hash),
    keys.publicationId(partition, hash, id),
  ];
}

describe("keys", () => {
  const keys = new Keys("tw", 64);

  test("hold nothing that a client chose, whatever it chose", () => {
    for (const name of HOSTILE) {
      for (const id of HOSTILE) {
        for (const key of keysOf(keys, name, id)) {
          expect(key).toMatch(/^tw:\{p\d+(\.\d+)?\}:[hmi]:[A-Za-z0-9_-]{22}$/);
        }
      }
      expect(keys.ring(3, name)).toMatch(/^tw:\{p3(\.\d+)?\}:r:[A-Za-z0-9_-]{22}$/);
      expect(keys.canary(name, 0)).toMatch(/^tw:canary:[A-Za-z0-9_-]{22}:0$/);
    }
  });

  test("of different channels and ids differ, also where the texts run into one another", () => {
    const random = new Random(1);
    const names = [...HOSTILE];
    for (let i = 0; i < 2000; i++) names.push(random.text(random.between(1, 20), "ab.:{}\0"));
    const seen = new Map<string, string>();
    for (const name of new Set(names)) {
      for (const id of ["a", "b", "\0a", "a\0", name]) {
        const [, , key = ""] = keysOf(keys, name, id);
        const source = JSON.stringify([name, id]);
        expect(seen.get(key) ?? source).toBe(source);
        seen.set(key, source);
      }
    }
  });

  test("of one partition share its hash slot, which is what its tag says", () => {
    for (let partition = 0; partition < 64; partition++) {
      const all = [
        keys.history(partition, nameHash("a")),
        keys.meta(partition, nameHash("a")),
        keys.publicationId(partition, nameHash("a"), "id"),
        keys.ring(partition, "node"),
        keys.pubsub(partition),
      ];
      const tags = all.map((key) => /\{(.*?)\}/.exec(key)?.[1] ?? "");
      expect(new Set(tags).size).toBe(1);
      expect(Math.floor(slotOf(tags[0] as string) / (16384 / 64))).toBe(partition);
    }
  });

  test("of another prefix are others", () => {
    const other = new Keys("other", 64);
    expect(other.config).not.toBe(keys.config);
    expect(other.pubsub(0)).not.toBe(keys.pubsub(0));
    expect(other.canary("n", 0)).not.toBe(keys.canary("n", 0));
  });
});
