import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { runCli, startBrokerProcess } from "../support/process.ts";
import type { BrokerProcess } from "../support/process.ts";
import { TempFolder } from "../support/temp-folder.ts";

// The commands that ask a running broker, which has the scaffolded transform bound.

let folder: TempFolder;
let broker: BrokerProcess;
let module: string;

/** `tickwire transform <args>` for that broker. */
function transform(...args: readonly string[]) {
  return runCli(["transform", ...args], { cwd: folder.path, env: { TICKWIRE_URL: broker.url } });
}

async function edit(from: string | RegExp, to: string): Promise<void> {
  await Bun.write(module, (await Bun.file(module).text()).replace(from, to));
}

async function versions(): Promise<unknown> {
  const { stdout } = await transform("status", "--json");
  const [status] = JSON.parse(stdout) as { version: string; previousVersion: string | null }[];
  return [status?.version, status?.previousVersion];
}

beforeAll(async () => {
  folder = await TempFolder.create();
  await runCli(["transform", "create", "my-filter"], { cwd: folder.path });
  module = join(folder.path, "my-filter/transform.ts");
  const binding = { use: module, id: "floor", channels: ["quotes.>"], onError: "nack" };
  broker = await startBrokerProcess([
    "--transforms",
    JSON.stringify([{ ...binding, config: { min: 10 } }]),
  ]);
});

afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

test("status shows what is bound, and counts", async () => {
  const env = { TICKWIRE_URL: broker.url };
  const passed = await runCli(["pub", "quotes.a", '{"price":12}'], { env });
  expect(passed.stderr).toStartWith("published 1 publication at offset 1, ");
  const dropped = await runCli(["pub", "quotes.a", '{"price":2}'], { env });
  expect(dropped.stderr).toStartWith("published 1 publication without an offset, ");
  const { code, stdout } = await transform("status", "floor");
  expect(code).toBe(0);
  expect(stdout).toStartWith("floor: my-filter 0.1.0, running\n");
  expect(stdout).toContain("  channels  quotes.>; on error: nack\n");
  expect(stdout).toContain("  verdicts  pass 1, drop 1\n");
});

test("dry-run asks the broker, and publishes nothing", async () => {
  const args = ["-c", "quotes.dry", "-d", '{"price":12}', "-d", '{"price":2}', "-d", "x"];
  const { stdout } = await transform("dry-run", "--id", "floor", ...args);
  const lines = stdout.replaceAll(/ {2}\[.*\]$/gm, "");
  expect(lines).toStartWith(
    'publish\n  {"price":12}\n  checked-by: my-filter\ndrop: below the minimum\nreject',
  );
  expect(lines).toContain("price is no number");
  const { stdout: metrics } = await transform("status", "--json");
  expect(metrics).not.toContain("quotes.dry");
});

describe("a version", () => {
  test("is deployed, and taken back", async () => {
    await edit('"0.1.0"', '"0.2.0"');
    const { code, stdout } = await transform("deploy", "floor");
    expect(code).toBe(0);
    expect(stdout).toStartWith("floor: my-filter 0.2.0 (before: 0.1.0), running\n");
    expect((await transform("rollback", "floor")).code).toBe(0);
    expect(await versions()).toEqual(["0.1.0", null]);
  });

  test("is tried out as a shadow, and promoted", async () => {
    await edit(/version: "0.\d.0"/, 'version: "0.3.0"');
    const shadow = await transform("deploy", "floor", "--shadow", "100");
    expect(shadow.stdout).toContain(
      "rollout   shadow of 100 % 0.3.0; outputs: 0 the same, 0 different",
    );
    expect((await transform("promote", "floor")).code).toBe(0);
    expect(await versions()).toEqual(["0.3.0", "0.1.0"]);
  });

  test("serves some channels as a canary, until that is ended", async () => {
    await edit(/version: "0.\d.0"/, 'version: "0.4.0"');
    const canary = await transform("deploy", "floor", "--canary", "quotes.new.>");
    expect(canary.stdout).toContain("rollout   canary 0.4.0 on quotes.new.>\n");
    expect((await transform("rollback", "floor")).code).toBe(0);
    expect(await versions()).toEqual(["0.3.0", expect.anything()]);
  });

  test("that cannot be loaded is refused with its place, and changes nothing", async () => {
    const before = await versions();
    const good = await Bun.file(module).text();
    await edit("process(batch, context) {", "process(batch, context) {\n    const = 1;");
    const line = (await Bun.file(module).text()).split("\n").indexOf("    const = 1;") + 1;
    const { code, stderr } = await transform("deploy", "floor");
    await Bun.write(module, good);
    expect(code).toBe(1);
    expect(stderr).toContain(`at ${module}:${line}`);
    expect(await versions()).toEqual(before);
  });
});

test("what the broker refuses is told in its words", async () => {
  const dryRun = ["dry-run", "--id", "roof", "-c", "a", "-d", "b"];
  for (const args of [["promote", "roof"], ["deploy", "roof"], ["rollback", "roof"], dryRun]) {
    const { code, stderr } = await transform(...args);
    const says = "there is no binding roof; there are floor";
    expect([code, stderr]).toEqual([2, expect.stringContaining(says)]);
  }
  const elsewhere = await transform("deploy", "floor", "--node", "nowhere");
  expect([elsewhere.code, elsewhere.stderr]).toEqual([
    1,
    expect.stringContaining("no node nowhere"),
  ]);
  const outside = await transform("deploy", "floor", "--use", "/etc/passwd");
  expect([outside.code, outside.stderr]).toEqual([1, expect.stringContaining("transformsFolder")]);
  // Somebody tried to load a file: whoever runs the broker is to know.
  await broker.untilLog((text) => text.includes('"use":"/etc/passwd"'));
  const logged = broker.log.split("\n").find((line) => line.includes("/etc/passwd")) ?? "";
  expect(JSON.parse(logged)).toMatchObject({
    level: "warn",
    event: "transform_change_refused",
    transform: "floor",
    action: "deploy",
    message: expect.stringContaining("transformsFolder is not set"),
  });
  const none = await transform("status", "roof");
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("there are floor")]);
});
