import { expect, test } from "bun:test";

import { answered } from "../../support/http-answer.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { TempFolder } from "../../support/temp-folder.ts";
import { loadViolations, publishLoad } from "./load.ts";
import { startTransforms, stored } from "./transform-node.ts";

const CHANNELS = ["t.a", "t.b", "t.c"];
const LIMIT_MS = 120_000;
const PUBLISHERS = 4;
const COUNT = 400;

/** A transform that puts its version behind the payload. */
function versioned(version: number): string {
  return `
    import { defineTransform } from "tickwire/transform";
    export default defineTransform({
      name: "versioned",
      version: "${version}.0.0",
      process(batch) {
        for (const message of batch) message.replace(message.text() + " v${version}");
      },
    });
  `;
}

const BROKEN = `
import { defineTransform } from "tickwire/transform";
export default defineTransform({
  name: "versioned" version: "9.0.0",
});
`;

interface Change {
  readonly status: number;
  readonly version: string | null;
  readonly fault: { readonly file: string; readonly line: number } | null;
}

async function change(httpUrl: string, body: object): Promise<Change> {
  const answer = await answered(
    fetch(`${httpUrl}/v1/transforms`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id: "versioned", ...body }),
    }),
  );
  const { version = null, error } = answer.body as {
    version?: string;
    error?: { fault?: Change["fault"] };
  };
  return { status: answer.status, version, fault: error?.fault ?? null };
}

/**
 * Aim: whatever happens to versions while publications come, none is lost, doubled or reordered. Method: four
 * publishers with many publications under way on three channels, while versions are deployed, one of which cannot
 * be loaded, and the last is taken back.
 */
async function versionsUnderLoad(input: { readonly redis?: readonly string[] }): Promise<void> {
  await using folder = await TempFolder.create();
  const file = await folder.write("versioned.ts", versioned(1));
  const binding = {
    use: "./versioned.ts",
    directory: folder.path,
    channels: ["t.>"],
    onError: "nack",
    workers: 2,
  } as const;
  await using node = await startTransforms([binding], { ...input, historySize: 1000 });
  const changes: Change[] = [];
  const versions = [1];
  const deploy = async (number: number): Promise<void> => {
    if (number === 200) {
      await Bun.write(file, BROKEN);
      changes.push(await change(node.httpUrl, { action: "deploy" }));
    } else if (number === 350) {
      changes.push(await change(node.httpUrl, { action: "rollback" }));
    } else {
      const version = versions.length + 1;
      versions.push(version);
      await Bun.write(file, versioned(version));
      changes.push(await change(node.httpUrl, { action: "deploy" }));
    }
  };
  let changing = Promise.resolve();
  const sent = await publishLoad({
    url: node.url,
    publishers: PUBLISHERS,
    channels: CHANNELS,
    count: COUNT,
    window: 30,
    seed: 11,
    text: (label) => label,
    // The first publisher waits for a change to begin, and all of them publish on while it is made.
    beforeSend: async (publisher, number) => {
      if (publisher !== 0 || number % 50 !== 0 || number === 0) return;
      await changing;
      changing = deploy(number);
    },
  });
  await changing;
  await using client = await ProtocolClient.connect(node.url);
  const all = new Map<string, string[]>();
  for (const channel of CHANNELS) all.set(channel, await stored(client, channel));
  expect(loadViolations(sent, all)).toEqual([]);
  expect([...all.values()].flat()).toHaveLength(PUBLISHERS * COUNT);
  expect(sent.filter(({ outcome }) => outcome === null || "code" in outcome)).toEqual([]);

  expect(changes.map(({ status }) => status)).toEqual([200, 200, 200, 422, 200, 200, 200]);
  expect(changes[3]?.fault).toMatchObject({ file, line: 4 });
  expect(changes.map(({ version }) => version)).toEqual([
    "2.0.0",
    "3.0.0",
    "4.0.0",
    null,
    "5.0.0",
    "6.0.0",
    "5.0.0",
  ]);
  // On each channel the versions took turns in the order they were asked for.
  for (const texts of all.values()) {
    const seen = texts.map((text) => Number(text.split(" v")[1]));
    const turns = seen.filter((version, i) => version !== seen[i - 1]);
    const asked = [1, 2, 3, 4, 5, 6, 5];
    let at = 0;
    for (const version of turns) {
      at = asked.indexOf(version, at);
      expect([turns, at >= 0]).toEqual([turns, true]);
      at++;
    }
  }
}

const WHAT = "new versions under load lose, double and reorder nothing";

test(`with the memory engine, ${WHAT}`, () => versionsUnderLoad({}), LIMIT_MS);

describeWithRedis("over Redis", () => {
  test(
    WHAT,
    async () => {
      await using redis = await startRedis();
      await versionsUnderLoad({ redis: [redis.url] });
    },
    LIMIT_MS,
  );
});

test(
  "a changed file is taken into use by itself when the operator watches it",
  async () => {
    await using folder = await TempFolder.create();
    const file = await folder.write("versioned.ts", versioned(1));
    const { path: directory } = folder;
    const binding = {
      use: "./versioned.ts",
      directory,
      channels: ["t.>"],
      onError: "nack",
    } as const;
    await using node = await startTransforms([binding], { watchTransforms: true });
    await using client = await ProtocolClient.connect(node.url);
    await client.publish("t.a", "x");
    await Bun.write(file, versioned(2));
    // Each publication is one look at which version serves.
    const serving = async (): Promise<string | undefined> => {
      await client.publish("t.a", "x");
      return (await stored(client, "t.a")).at(-1);
    };
    while ((await serving()) !== "x v2");
    expect((await stored(client, "t.a"))[0]).toBe("x v1");
  },
  LIMIT_MS,
);
