import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";

import { runCli, startBrokerProcess } from "../support/process.ts";
import type { BrokerProcess } from "../support/process.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import type { RedisServer } from "../support/redis/redis-server.ts";
import { startRedis } from "../support/redis/start-redis.ts";
import { TempFolder } from "../support/temp-folder.ts";

// Two processes on one port: nobody can choose which of them takes a request, so each must answer for both.

const LIMIT_MS = 60_000;

describeWithRedis("serve --nodes 2", () => {
  let redis: RedisServer;
  let folder: TempFolder;
  let group: BrokerProcess;
  let module: string;

  beforeAll(async () => {
    redis = await startRedis();
    folder = await TempFolder.create();
    await runCli(["transform", "create", "my-filter"], { cwd: folder.path });
    module = join(folder.path, "my-filter/transform.ts");
    const binding = { use: module, id: "floor", channels: ["quotes.>"], onError: "nack" };
    const nodes = ["--nodes", "2", "--node", "box", "--redis", redis.url];
    const transforms = JSON.stringify([{ ...binding, config: { min: 10 } }]);
    group = await startBrokerProcess([...nodes, "--transforms", transforms]);
  }, LIMIT_MS);

  afterAll(async () => {
    group.kill("SIGTERM");
    await group.exited;
    await group[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  }, LIMIT_MS);

  function tickwire(...args: readonly string[]) {
    return runCli(args, { cwd: folder.path, env: { TICKWIRE_URL: group.url } });
  }

  async function edit(from: string | RegExp, to: string): Promise<void> {
    await Bun.write(module, (await Bun.file(module).text()).replace(from, to));
  }

  async function versions(): Promise<unknown> {
    const { stdout } = await tickwire("transform", "status", "--json");
    const all = JSON.parse(stdout) as { node: string; version: string }[];
    return all.toSorted((a, b) => (a.node < b.node ? -1 : 1)).map((one) => [one.node, one.version]);
  }

  test("a deploy reaches both, and status names both, whoever answers", async () => {
    await edit('"0.1.0"', '"0.2.0"');
    const { code, stdout, stderr } = await tickwire("transform", "deploy", "floor");
    expect([code, stderr]).toEqual([0, ""]);
    const after = "my-filter 0.2.0 (before: 0.1.0), running\n";
    expect(stdout).toStartWith(`floor on box_0: ${after}`);
    expect(stdout).toContain(`\n\nfloor on box_1: ${after}`);
    for (let i = 0; i < 8; i++) {
      expect(await versions()).toEqual([
        ["box_0", "0.2.0"],
        ["box_1", "0.2.0"],
      ]);
    }
  });

  test("one of them can be changed by its name, and both rolled back as far as they can", async () => {
    await edit('"0.2.0"', '"0.3.0"');
    const one = await tickwire("transform", "deploy", "floor", "--node", "box_1");
    expect([one.code, one.stdout]).toEqual([
      0,
      expect.stringMatching(/^floor: my-filter 0\.3\.0 /),
    ]);
    expect(await versions()).toEqual([
      ["box_0", "0.2.0"],
      ["box_1", "0.3.0"],
    ]);
    expect((await tickwire("transform", "rollback", "floor")).code).toBe(0);
    const { code, stderr } = await tickwire("transform", "rollback", "floor", "--node", "box_9");
    expect([code, stderr]).toEqual([1, expect.stringContaining("there is no node box_9")]);
    const again = await tickwire("transform", "rollback", "floor");
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringContaining("no version to go back"),
    ]);
  });

  test("a version that cannot be loaded is refused with its place, and serves nowhere", async () => {
    const before = await versions();
    const good = await Bun.file(module).text();
    await edit("process(batch, context) {", "process(batch, context) {\n    const = 1;");
    const { code, stderr } = await tickwire("transform", "deploy", "floor");
    await Bun.write(module, good);
    expect(code).toBe(1);
    expect(stderr).toMatch(/failed on box_[01]: /);
    expect(stderr).toContain(`at ${module}:`);
    expect(await versions()).toEqual(before);
  });

  test("a trace that a rule asked for is whole, whoever took the publication and whoever is asked", async () => {
    const added = await tickwire("trace", "rule", "add", "--channel", "news.>", "--json");
    expect(JSON.parse(added.stdout)).toMatchObject([{ channel: "news.>" }]);
    const published = await tickwire("trace", "publish", "news.a", "--data", "x");
    const [, id = ""] = /^trace ([0-9a-f]{32})/.exec(published.stdout) ?? [];
    for (let i = 0; i < 4; i++) {
      const { code, stdout } = await tickwire("trace", id);
      expect(code).toBe(0);
      for (const span of ["ingest >", "bus.publish", "fanout >", "deliver >"]) {
        expect(stdout).toContain(span);
      }
    }
    const none = await tickwire("slow");
    expect([none.code, none.stderr]).toEqual([0, ""]);
  });
});
