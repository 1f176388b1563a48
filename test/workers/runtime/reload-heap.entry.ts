import { heapSize } from "bun:jsc";

import { WorkerRuntime } from "../../../workers/runtime/worker-runtime.ts";
import { outcomesOf, slabOf } from "../../../workers/testing/crossing.ts";
import { message } from "../../../workers/testing/message.ts";
import { TempFolder } from "../../support/temp-folder.ts";
import { transformModule } from "../../support/transform-runtime.ts";

/** Reloads a transform that is edited in place, and prints what that leaves on the heap. */
const RELOADS = 300;
const WARM_UP = 50;
const MAX_PAYLOAD_BYTES = 1024;

function settledHeap(): number {
  Bun.gc(true);
  return heapSize();
}

await using folder = await TempFolder.create();
const runtime = new WorkerRuntime();
const sent = [message("a", "x")];
let before = 0;
let outputs = 0;
for (let i = 0; i < WARM_UP + RELOADS; i++) {
  if (i === WARM_UP) before = settledHeap();
  const source = transformModule(
    `lane: { create: () => ({ n: 0 }) }, setup: () => new Array(131072).fill(${i}),
    process(batch, ctx) { for (const m of batch) { ctx.lane(m).n++; m.replace("v" + ctx.state[9]); } }`,
    "setInterval(() => {}, 1000); export const big = new Array(131072).fill(1.5);",
  );
  await folder.write("edited.ts", source);
  const stage = { use: "./edited.ts", directory: folder.path, config: undefined, emit: [] };
  const loaded = await runtime.load({ worker: 0, stages: [stage], progress: null });
  if (!loaded.ok) throw new Error(loaded.fault.message);
  const slab = slabOf(sent, loaded.manifests);
  const { verdicts } = await runtime.run({ number: i, attempt: 1, slab });
  const [outcome] = outcomesOf(verdicts, sent, loaded.manifests, MAX_PAYLOAD_BYTES);
  if (outcome?.output?.text() === `v${i}`) outputs++;
}
const heapBytesPerReload = (settledHeap() - before) / RELOADS;
process.stdout.write(JSON.stringify({ reloads: RELOADS, outputs, heapBytesPerReload }));
await runtime.unload();
