import { describe, expect, test } from "bun:test";

import { runCli, startBrokerProcess } from "../../support/process.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { TempFolder } from "../../support/temp-folder.ts";
import { stored } from "./transform-node.ts";

const LIMIT_MS = 60_000;

const GOOD = `
import { defineTransform } from "tickwire/transform";
export default defineTransform({
  name: "shout",
  version: "1.0.0",
  process(batch) {
    for (const message of batch) message.replace(message.text() + "!");
  },
});
`;

const BROKEN = `
import { defineTransform } from "tickwire/transform";
export default defineTransform({
  name: "shout"
  version: "1.0.0",
});
`;

const CLOSED = GOOD.replace("process", "failClosed: true, process");

const SCHEMA = `
import { defineTransform } from "tickwire/transform";
const schema = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value?.limit === "number" ? { value } : { issues: [{ message: "a number is needed", path: ["limit"] }] },
  },
};
export default defineTransform({ name: "shout", version: "1.0.0", config: schema, process() {} });
`;

/** A folder with a config file in a folder of its own, and its transforms beside it. */
async function project(
  module: string,
  config: object = {},
): Promise<TempFolder & { file: string }> {
  const folder = await TempFolder.create();
  await folder.write("conf/shout.ts", module);
  const transforms = [{ use: "./shout.ts", channels: ["t.>"], onError: "nack", ...config }];
  const file = await folder.write("conf/broker.json", JSON.stringify({ transforms }));
  return Object.assign(folder, { file });
}

test(
  "a config file's transform is found from the folder of the file, and serves",
  async () => {
    await using folder = await project(GOOD);
    await using broker = await startBrokerProcess(["--config", folder.file]);
    await using client = await ProtocolClient.connect(broker.url);
    await client.publish("t.a", "hey");
    expect(await stored(client, "t.a")).toEqual(["hey!"]);
    const metrics = await (await fetch(`${broker.httpUrl}/metrics`)).text();
    expect(metrics).toContain(
      'tickwire_transform_publications_total{transform="shout",verdict="replace"} 1',
    );
    expect(metrics).toContain('tickwire_transform_state{transform="shout",state="running"} 1');
    const health = (await (await fetch(`${broker.httpUrl}/health`)).json()) as object;
    expect(health).toMatchObject({ isReady: true, transforms: [] });
  },
  LIMIT_MS,
);

describe("a transform that cannot be loaded stops the start, and says where and what to do", () => {
  test.each<[string, string, object, readonly string[]]>([
    ["a syntax error", BROKEN, {}, ["shout.ts:5"]],
    ["a policy that would leave it out", CLOSED, { onError: "pass" }, ['onError cannot be "pass"']],
    ["a module that is missing", GOOD, { use: "./missing.ts" }, ["conf/missing.ts"]],
    [
      "configuration its schema refuses",
      SCHEMA,
      { config: { limit: "5" } },
      ["limit", "a number is needed"],
    ],
  ])(
    "%s",
    async (_name, module, config, expected) => {
      await using folder = await project(module, config);
      const { code, stderr } = await runCli(["serve", "--port", "0", "--config", folder.file]);
      expect(code).toBe(1);
      for (const text of expected) expect(stderr).toContain(text);
      expect(stderr).toContain("transforms");
      expect(stderr).not.toContain("unexpected failure");
    },
    LIMIT_MS,
  );
});

test("tickwire check shows transforms, loads them and sets none up", async () => {
  const any = `{ "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } }`;
  const setup = `config: ${any}, setup() { throw new Error("it ran"); }, process`;
  const module = GOOD.replace("process", setup);
  await using folder = await project(module, { config: { key: "s3cret" } });
  const { code, stdout } = await runCli(["check", folder.file]);
  expect(code).toBe(0);
  expect(stdout).toContain("transforms, in the order they run:");
  expect(stdout).toContain(
    "shout  ./shout.ts  channels=t.> onError=nack workers=1 isolation=thread",
  );
  expect(stdout).not.toContain("s3cret");
});

test("tickwire check names the transform whose module throws", async () => {
  await using folder = await project("throw new Error('not today')");
  const { code, stdout, stderr } = await runCli(["check", folder.file]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain('transform "shout": not today');
});
