import { expect, test } from "bun:test";

import { LruMap } from "../../broker/lru-map.ts";
import { announceSeed, Random } from "../support/random.ts";

test("holds what was used last, as a list of the order of use does", () => {
  const random = new Random(announceSeed("lru-map"));
  for (const max of [1, 2, 7]) {
    const map = new LruMap<{ readonly made: number }>(max);
    /** The most recently used first. */
    let plain: { key: string; made: number }[] = [];
    for (let step = 0; step < 2000; step++) {
      const key = String(random.below(10));
      const known = plain.find((one) => one.key === key);
      if (random.chance(0.3)) expect(map.peek(key)?.made).toBe(known?.made);
      else {
        expect(map.use(key, () => ({ made: step })).made).toBe(known?.made ?? step);
        const first = known ?? { key, made: step };
        plain = [first, ...plain.filter((one) => one !== known)].slice(0, max);
      }
      expect(map.size).toBe(plain.length);
    }
  }
});
