import { expect, test } from "bun:test";

import { spanIdOf } from "../../protocol/span-id.ts";
import type { TraceStage } from "../../protocol/span-id.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const STAGES: readonly TraceStage[] = [
  "ingest",
  "transform",
  "transform.run",
  "bus.publish",
  "bus.receive",
  "fanout",
  "deliver",
  "deliver.late",
];

test("ids stay what they are: nodes of different versions must agree", () => {
  expect(STAGES.map((stage) => spanIdOf(TRACE_ID, stage, "node-a"))).toMatchInlineSnapshot(`
    [
      "7008b1a59f654e37",
      "ee8cc0f6af78fb86",
      "4083d3d547d4b284",
      "98b1838e12fd283c",
      "0a9ca81ba6b6c9d5",
      "0a70e2fc30ce0968",
      "9799d512fb0ffa10",
      "de957a20d9386d6a",
    ]
  `);
  expect(spanIdOf(TRACE_ID, "deliver", "node-a", "conn-1")).toMatchInlineSnapshot(
    `"cf6e3df01145f294"`,
  );
});

test("every part of the input makes another id", () => {
  const ids = new Set<string>();
  let count = 0;
  for (let trace = 0; trace < 100; trace++) {
    const traceId = trace.toString(16).padStart(32, "0");
    for (const stage of STAGES) {
      for (const node of ["", "a", "b", "node-1", "node-10"]) {
        for (const connection of ["", "1", "2", "11", "a b"]) {
          ids.add(spanIdOf(traceId, stage, node, connection));
          count++;
        }
      }
    }
  }
  expect(ids.size).toBe(count);
});

test("ids are 16 hex digits, and each bit is set as often as not", () => {
  const set = Array.from({ length: 64 }, () => 0);
  const rounds = 4000;
  for (let i = 0; i < rounds; i++) {
    const id = spanIdOf(TRACE_ID, "deliver", "node-a", String(i));
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    const bits = BigInt(`0x${id}`);
    for (let bit = 0; bit < 64; bit++)
      if ((bits >> BigInt(bit)) & 1n) set[bit] = (set[bit] ?? 0) + 1;
  }
  // Six standard deviations of a fair coin.
  const margin = 6 * Math.sqrt(rounds / 4);
  for (const count of set) expect(Math.abs(count - rounds / 2)).toBeLessThan(margin);
});
