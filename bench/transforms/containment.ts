import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createTransformRunner } from "../../workers/host/create-transform-runner.ts";
import type { Isolation, TransformOutcome } from "../../workers/host/host-types.ts";
import { table } from "../support/table.ts";

/**
 * `bun bench/transforms/containment.ts [thread|process]`: what each kind of fault costs, with the limits a transform
 * has by default (1000 ms for a message, 256 MiB of heap). One pipeline gets the fault between healthy messages; another
 * publishes all the time and should not notice.
 */
const WASM = "AGFzbQEAAAABBAFgAAADAgEABwgBBHNwaW4AAAoJAQcAA0AMAAsL";

interface Fault {
  readonly name: string;
  readonly body: string;
  readonly head?: string;
  readonly extra?: string;
}

const FAULTS: readonly Fault[] = [
  { name: "throw", body: `throw new Error("broken");` },
  { name: "process.exit", body: `process.exit(1);` },
  { name: "infinite loop", body: `for (;;);` },
  {
    name: "regular expressions",
    // The engine gives up on one of them after about half a second.
    body: `for (let i = 0; i < 10; i++) /^(a+)+$/.test("a".repeat(80) + "b");`,
  },
  {
    name: "memory without end",
    body: `globalThis.kept = []; for (;;) kept.push(new Uint8Array(8 << 20).fill(1));`,
  },
  {
    name: "400 MB, then goes on",
    body: `globalThis.kept = Array.from({ length: 50 }, () => new Uint8Array(8 << 20).fill(1));`,
  },
  { name: "promise never settles", body: `await new Promise(() => {});`, extra: "async: true," },
  {
    name: "late rejection",
    body: `setTimeout(() => Promise.reject(new Error("late")), 0);`,
    extra: "async: true,",
  },
  // Last, as the thread burns a core until this process ends.
  {
    name: "WebAssembly loop",
    body: `spin();`,
    head: `const { spin } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.fromBase64("${WASM}"))).exports;`,
  },
];

interface Ticket {
  readonly pipeline: "bad" | "good";
  readonly kind: "bad" | "ok" | "after";
  readonly atMs: number;
}

interface Row {
  readonly detectMs: number | null;
  readonly recoverMs: number;
  readonly affected: number;
  readonly workersLost: number;
  readonly others: number;
  readonly othersFailed: number;
  readonly othersMaxMs: number;
}

const utf8 = new TextEncoder();

async function measure(fault: Fault, isolation: Isolation): Promise<Row> {
  const directory = await mkdtemp(join(tmpdir(), "tickwire-containment-"));
  const isAsync = fault.extra !== undefined;
  await Bun.write(
    join(directory, "bad.ts"),
    `${fault.head ?? ""}
     export default { name: "bad", version: "1.0.0", ${fault.extra ?? ""}
       ${isAsync ? "async " : ""}process(batch) {
         for (const m of batch) if (m.text() === "bad") { ${fault.body} } } };`,
  );
  await Bun.write(
    join(directory, "good.ts"),
    `export default { name: "good", version: "1.0.0", process(batch) { for (const m of batch) m.text(); } };`,
  );
  const state: { detectedMs: number | null } = { detectedMs: null };
  let affected = 0;
  let others = 0;
  let othersFailed = 0;
  let othersMaxMs = 0;
  let isOver = false;
  const recovered = Promise.withResolvers<number>();
  const detected = (): void => {
    state.detectedMs ??= performance.now();
  };
  const runner = createTransformRunner({
    bindings: [
      { id: "bad", use: "./bad.ts", channels: ["bad"], onError: "dead-letter:dead", isolation },
      { id: "good", use: "./good.ts", channels: ["good"], onError: "nack" },
    ],
    directory,
    clock: { nowMs: () => performance.now(), wallMs: () => Date.now() },
    logger: {
      log: (_level, event) => {
        if (/_lost$|_recycled$|_fault$/.test(event)) detected();
      },
    },
    maxPayloadBytes: 65_536,
  });
  const publish = (pipeline: "bad" | "good", kind: Ticket["kind"]): void => {
    const bytes = utf8.encode(kind);
    const ticket: Ticket = { pipeline, kind, atMs: performance.now() };
    runner.route(pipeline)?.submit(bytes, 0, bytes.length, null, null, ticket);
  };
  const settled = (raw: unknown, outcome: TransformOutcome): void => {
    const { pipeline, kind, atMs } = raw as Ticket;
    const nowMs = performance.now();
    if (pipeline === "good") {
      others++;
      if (outcome.type !== "publish") othersFailed++;
      othersMaxMs = Math.max(othersMaxMs, nowMs - atMs);
      if (!isOver) setTimeout(() => publish("good", "ok"), 1);
      return;
    }
    if (outcome.type !== "publish") {
      affected++;
      if (kind === "bad") detected();
    }
    if (kind === "after") recovered.resolve(nowMs);
  };
  await runner.start({ settled }, { history: async () => [] });
  const startMs = performance.now();
  publish("good", "ok");
  for (let i = 0; i < 20; i++) publish("bad", i === 10 ? "bad" : "ok");
  publish("bad", "after");
  let endMs = await recovered.promise;
  // What is only found out between batches shows with the batches that follow.
  const giveUpMs = performance.now() + 2000;
  while (state.detectedMs === null && performance.now() < giveUpMs) {
    publish("bad", "ok");
    await Bun.sleep(20);
    endMs = performance.now();
  }
  const { detectedMs } = state;
  const restarts = runner.status()[0]?.restarts ?? {};
  isOver = true;
  await runner.stop(1000);
  await rm(directory, { recursive: true, force: true });
  return {
    detectMs: detectedMs === null ? null : detectedMs - startMs,
    recoverMs: endMs - Math.max(startMs, detectedMs ?? startMs),
    affected,
    workersLost: Object.values(restarts).reduce((sum, count) => sum + count, 0),
    others,
    othersFailed,
    othersMaxMs,
  };
}

const only = process.argv[2];
const rows: string[][] = [];
for (const isolation of ["thread", "process"] as const) {
  if (only !== undefined && only !== isolation) continue;
  for (const fault of FAULTS) {
    const row = await measure(fault, isolation);
    rows.push([
      isolation,
      fault.name,
      row.detectMs === null ? "-" : row.detectMs.toFixed(0),
      Math.max(0, row.recoverMs).toFixed(0),
      `${row.affected} of 21`,
      String(row.workersLost),
      `${row.othersFailed} of ${row.others}`,
      row.othersMaxMs.toFixed(1),
    ]);
  }
}
console.log(
  table(
    "Containment of faults (one message of 21 has the fault; times in ms)",
    [
      "isolation",
      "fault",
      "detected",
      "recovered after",
      "messages failed",
      "workers lost",
      "others failed",
      "others' longest",
    ],
    rows,
  ),
);
process.exit(0);
