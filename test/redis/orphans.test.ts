// Aim: whatever ends a test process, no redis-server and no folder of it stays.
// Method: a real `bun test` in a process of its own starts servers, one of them stopped and one killed, and
// says which. Then it is ended, and the processes and folders are looked for.
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { describeWithRedis } from "../support/redis/binary.ts";
import { processesOf, processState } from "../support/redis/process-state.ts";
import { makeTemporaryFolder } from "../support/redis/temporary-folder.ts";
import { waitUntil } from "../support/redis/wait.ts";

const SUPPORT = join(import.meta.dir, "..", "support", "redis");
const LIMIT_MS = 30_000;

/** @param end what the child does when its servers run */
function childTest(end: string): string {
  return `
import { test } from "bun:test";
import { startShards } from ${JSON.stringify(join(SUPPORT, "start-redis.ts"))};
test("starts servers and forgets them", async () => {
  const { servers } = await startShards(3);
  await servers[1].stop();
  await servers[2].kill9();
  const pids = servers.slice(0, 2).map(({ pid }) => pid);
  const folders = servers.map(({ folder }) => folder);
  process.stdout.write("started " + JSON.stringify({ pids, folders }) + "\\n");
  ${end}
}, ${LIMIT_MS});
`;
}

const HOUR_MS = 3_600_000;
const HANG = "await new Promise(() => {});";

interface Case {
  /** Default: the test passes. */
  readonly end?: string;
  readonly signal?: NodeJS.Signals;
  /** Bun ends everything that the child has started, the supervisors included. */
  readonly hasNoOrphans?: boolean;
}

async function expectNothingToStay({
  end = "",
  signal,
  hasNoOrphans = false,
}: Case): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tickwire-orphans-"));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(folder, { recursive: true }));
  await Bun.write(join(folder, "child.test.ts"), childTest(end));
  const flags = hasNoOrphans ? ["--no-orphans"] : [];
  const child = Bun.spawn([process.execPath, "test", ...flags, "child.test.ts"], {
    cwd: folder,
    // The run that this test belongs to may have asked for --no-orphans, which is inherited.
    env: { ...process.env, BUN_FEATURE_FLAG_NO_ORPHANS: undefined },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  cleanUp.defer(() => child.kill("SIGKILL"));

  const { pids, folders } = await readStarted(child.stdout);
  if (signal !== undefined) {
    expect(pids.map((pid) => processState(pid))).toEqual(["running", "stopped"]);
    expect(folders.map((name) => existsSync(name))).toEqual([true, true, true]);
    child.kill(signal);
  }
  await child.exited;
  await waitUntil("all servers are gone", () => pids.every((pid) => processState(pid) === "gone"));
  await waitUntil("all processes are gone", () => folders.flatMap(processesOf).length === 0);
  if (hasNoOrphans) {
    for (const name of folders) await rm(name, { recursive: true, force: true });
  }
  await waitUntil("all folders are gone", () => !folders.some((name) => existsSync(name)));
}

interface Started {
  readonly pids: readonly number[];
  readonly folders: readonly string[];
}

async function readStarted(output: ReadableStream<Uint8Array>): Promise<Started> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of output) {
    text += decoder.decode(bytes, { stream: true });
    const [, json] = /^started (.*)\n/m.exec(text) ?? [];
    if (json !== undefined) return JSON.parse(json) as Started;
  }
  throw new Error(`the child did not say what it started; it said:\n${text}`);
}

describeWithRedis("nothing stays of the servers of a test process", () => {
  const cases: readonly (readonly [name: string, options: Case])[] = [
    ["is killed outright", { end: HANG, signal: "SIGKILL" }],
    ["is told to end", { end: HANG, signal: "SIGTERM" }],
    ["is interrupted", { end: HANG, signal: "SIGINT" }],
    ["exits in the middle of a test", { end: "process.exit(3);" }],
    ["ends by itself and disposes of nothing", {}],
    ["ends with --no-orphans, but for the folders", { hasNoOrphans: true }],
    [
      "is killed with --no-orphans, but for the folders",
      { end: HANG, signal: "SIGKILL", hasNoOrphans: true },
    ],
  ];
  test.each(cases)("that %s", (_name, options) => expectNothingToStay(options), LIMIT_MS);
});

test("the next server removes the folders of processes that are long gone", async () => {
  const root = await mkdtemp(join(tmpdir(), "tickwire-orphans-"));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(root, { recursive: true }));
  const ended = Bun.spawn(["sh", "-c", ":"]);
  await ended.exited;
  const stale = join(root, `tickwire-redis-${ended.pid}-a`);
  const kept = [`tickwire-redis-${process.pid}-b`, "tickwire-redis-notes", "other"];
  for (const name of [stale, ...kept.map((one) => join(root, one))]) {
    await Bun.write(join(name, "redis.conf"), "");
  }
  const young = await makeTemporaryFolder(root);
  expect(existsSync(stale)).toBe(true);
  const made = await makeTemporaryFolder(root, Date.now() + 2 * HOUR_MS);
  const expected = [...kept, basename(young), basename(made)];
  expect((await readdir(root)).toSorted()).toEqual(expected.toSorted());
});
