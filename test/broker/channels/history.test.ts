import { describe, expect, test } from "bun:test";

import { readHistory } from "../../../broker/channels/history.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import { MemoryEngine } from "../../../broker/engine/memory-engine.ts";
import { announceSeed, Random } from "../../support/random.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const HISTORY_SIZE = 20;

/** A stream of `count` publications, each of which holds its offset as text. */
function streamOf(count: number) {
  const clock = new VirtualClock();
  const { idempotencyWindowMs, idempotencyKeys, channelIdleMs, namespaces } = buildConfig({
    historySize: HISTORY_SIZE,
  });
  const engine = new MemoryEngine({ clock, idempotencyWindowMs, idempotencyKeys, channelIdleMs });
  const stream = engine.open("a", namespaces[0] as (typeof namespaces)[0]);
  for (let i = 1; i <= count; i++) {
    const payload = new TextEncoder().encode(String(i));
    engine.publish(stream, payload, 0, payload.length, null, null, null, 0);
  }
  return stream;
}

describe("history", () => {
  test("a reader that pages from any position gets the suffix once, or is told that it is not all", () => {
    const random = new Random(announceSeed("history"));
    for (let round = 0; round < 300; round++) {
      const count = random.below(60);
      const stream = streamOf(count);
      const start = random.below(count + 1);
      const isWhole = start >= count - HISTORY_SIZE;
      const seen: string[] = [];
      let offset = start;
      let isFirst = true;
      for (;;) {
        const since = { epoch: stream.epoch, offset };
        const page = readHistory(stream, { limit: random.between(1, 9), since }, 0);
        expect(page).toMatchObject({ epoch: stream.epoch, offset: count });
        expect(page.complete).toBe(isWhole || !isFirst);
        isFirst = false;
        const last = page.publications.at(-1);
        if (last === undefined) break;
        offset = last.offset;
        seen.push(...page.publications.map(({ payload }) => Buffer.from(payload).toString()));
      }
      const from = isWhole ? start + 1 : count - HISTORY_SIZE + 1;
      expect(seen).toEqual(Array.from({ length: count - from + 1 }, (_, i) => String(from + i)));
    }
  });
});
