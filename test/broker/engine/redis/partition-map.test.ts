import { describe, expect, test } from "bun:test";

import {
  fnv1a,
  partitionOf,
  partitionTags,
  shardOf,
  slotOf,
} from "../../../../broker/engine/redis/partition-map.ts";

function countBy(items: Iterable<number>, bins: number): number[] {
  const counts = Array.from({ length: bins }, () => 0);
  for (const item of items) counts[item] = (counts[item] as number) + 1;
  return counts;
}

describe("a channel's partition", () => {
  // All nodes, of all versions, must agree for as long as the data lives.
  test("is the same for ever", () => {
    const names = ["a", "market.btc", "room:42", "user/1@x"];
    expect(names.map((name) => fnv1a(name))).toEqual([
      187539957, 1982885044, 3723492106, 2955553185,
    ]);
  });

  for (const count of [16, 64, 256]) {
    test(`spreads names that differ little evenly over ${count}`, () => {
      const names = [
        (i: number) => `market.${i}`,
        (i: number) => `user:${i}.inbox`,
        (i: number) => `${i}`,
      ];
      for (const name of names) {
        const channels = Array.from({ length: count * 200 }, (_, i) => partitionOf(name(i), count));
        const counts = countBy(channels, count);
        // 200 expected, standard deviation 14: six of them.
        expect(Math.max(...counts)).toBeLessThan(286);
        expect(Math.min(...counts)).toBeGreaterThan(114);
      }
    });
  }
});

describe("a partition's shard", () => {
  test("is one of those there are, and all of them are used evenly", () => {
    for (let shards = 1; shards <= 8; shards++) {
      const placed = Array.from({ length: 4096 }, (_, partition) => shardOf(partition, shards));
      const counts = countBy(placed, shards);
      const expected = 4096 / shards;
      expect(Math.min(...counts)).toBeGreaterThan(expected * 0.85);
      expect(Math.max(...counts)).toBeLessThan(expected * 1.15);
    }
  });

  test("changes with one shard more only for those that go to the new one", () => {
    for (let shards = 1; shards < 12; shards++) {
      let moved = 0;
      for (let partition = 0; partition < 1024; partition++) {
        const [before, after] = [shardOf(partition, shards), shardOf(partition, shards + 1)];
        if (before === after) continue;
        expect(after).toBe(shards);
        moved++;
      }
      expect(moved).toBeGreaterThan((1024 / (shards + 1)) * 0.6);
      expect(moved).toBeLessThan((1024 / (shards + 1)) * 1.4);
    }
  });
});

describe("hash slots", () => {
  test("are those that Redis Cluster takes", () => {
    // From the cluster specification, and as CLUSTER KEYSLOT answers.
    expect(slotOf("123456789")).toBe(0x31c3);
    expect(slotOf("foo")).toBe(12182);
    expect(slotOf("bar")).toBe(5061);
    expect(slotOf("hello")).toBe(866);
    expect(slotOf("")).toBe(0);
  });

  for (const count of [8, 16, 64, 128, 256]) {
    test(`of ${count} tags lie so that any number of masters shares them evenly`, () => {
      const tags = partitionTags(count);
      expect(new Set(tags).size).toBe(count);
      for (let masters = 3; masters <= 16; masters++) {
        // As redis-cli --cluster create deals the slots.
        const width = 16384 / masters;
        const ofMaster = tags.map((tag) => Math.min(masters - 1, Math.floor(slotOf(tag) / width)));
        const counts = countBy(ofMaster, masters);
        for (const held of counts) expect(Math.abs(held - count / masters)).toBeLessThan(2);
      }
    });
  }

  test("of the tags are the same for ever", () => {
    const text = partitionTags(64).join(" ");
    expect(new Bun.CryptoHasher("sha256").update(text).digest("hex")).toBe(
      "b70f2c511832ab9cba1e5622eac05a0206912fdd0d5806d54667c4d5e18abbf2",
    );
  });
});
