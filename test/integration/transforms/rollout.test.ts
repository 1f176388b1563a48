import { describe, expect, test } from "bun:test";

import { answered, refusal } from "../../support/http-answer.ts";
import type { Answer } from "../../support/http-answer.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { waitUntil } from "../../support/redis/wait.ts";
import { TempFolder } from "../../support/temp-folder.ts";
import { startTransforms, stored } from "./transform-node.ts";

const LIMIT_MS = 60_000;

function suffix(version: number, text: string): string {
  return `
    import { defineTransform } from "tickwire/transform";
    import { z } from "zod";
    export default defineTransform({
      name: "suffix",
      version: "${version}.0.0",
      config: z.object({ mark: z.string().max(3) }),
      process(batch, { config }) {
        for (const message of batch) {
          const text = message.text();
          if (text === "drop") message.drop();
          else if (text === "fail") message.fail("told to");
          else message.replace(text + config.mark + ${JSON.stringify(text)});
        }
      },
    });
  `;
}

interface Setup extends AsyncDisposable {
  readonly client: ProtocolClient;
  readonly change: (body: object) => Promise<Answer>;
  readonly dryRun: (payloads: readonly string[], channel?: string) => Promise<Answer>;
  readonly status: () => Promise<Record<string, unknown>>;
}

/** A node whose transform lies in a folder that the server API may load from; "two.ts" is its next version. */
async function setup(): Promise<Setup> {
  await using made = new AsyncDisposableStack();
  const folder = made.use(await TempFolder.create());
  // Where zod is found.
  await folder.write("package.json", "{}");
  await Bun.$`ln -s ${new URL("../../../node_modules", import.meta.url).pathname} ${folder.path}/node_modules`;
  await folder.write("one.ts", suffix(1, "1"));
  await folder.write("two.ts", suffix(2, "2"));
  const node = made.use(
    await startTransforms(
      [
        {
          id: "suffix",
          use: "./one.ts",
          directory: folder.path,
          channels: ["t.>"],
          config: { mark: "-" },
          onError: "nack",
        },
      ],
      { transformsFolder: folder.path },
    ),
  );
  const client = made.use(await ProtocolClient.connect(node.url));
  const post = (path: string, body: object): Promise<Answer> =>
    answered(
      fetch(node.httpUrl + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
  const kept = made.move();
  return {
    client,
    change: (body) => post("/v1/transforms", { id: "suffix", ...body }),
    dryRun: (payloads, channel = "t.dry") =>
      post("/v1/transforms/dry-run", { id: "suffix", channel, payloads }),
    status: async () => {
      const { body } = await answered(fetch(`${node.httpUrl}/v1/transforms`));
      return (body as { transforms: Record<string, unknown>[] }).transforms[0] ?? {};
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** What a publication comes out as. */
async function through(client: ProtocolClient, channel = "t.a"): Promise<string | undefined> {
  await client.publish(channel, "x");
  return (await stored(client, channel)).at(-1);
}

describe("over the server API", () => {
  test(
    "a version in the folder is deployed and rolled back",
    async () => {
      await using node = await setup();
      const { client, change, status } = node;
      expect(await through(client)).toBe("x-1");
      expect(await change({ action: "deploy", use: "./two.ts" })).toMatchObject({
        status: 200,
        body: { id: "suffix", version: "2.0.0", previousVersion: "1.0.0" },
      });
      expect(await through(client)).toBe("x-2");
      expect(await change({ action: "rollback" })).toMatchObject({
        status: 200,
        body: { version: "1.0.0" },
      });
      expect(await through(client)).toBe("x-1");
      expect(await status()).toMatchObject({ state: "running", version: "1.0.0" });
    },
    LIMIT_MS,
  );

  test(
    "other configuration is taken, and what the schema refuses is told with its path",
    async () => {
      await using node = await setup();
      const { client, change } = node;
      expect(await change({ action: "deploy", config: { mark: "+" } })).toMatchObject({
        status: 200,
      });
      expect(await through(client)).toBe("x+1");
      const refused = await change({ action: "deploy", config: { mark: "++++" } });
      expect(refused).toMatchObject({
        status: 422,
        body: { error: { fault: { type: "config", issues: [{ path: "mark" }] } } },
      });
      expect(await through(client)).toBe("x+1");
    },
    LIMIT_MS,
  );

  test(
    "what lies elsewhere cannot be named",
    async () => {
      await using node = await setup();
      const { client, change } = node;
      for (const use of ["../x.ts", "/etc/passwd", "./missing.ts"]) {
        expect(await change({ action: "deploy", use })).toEqual(refusal(404, "not_found"));
      }
      expect(await change({ action: "deploy", use: "no-such-package" })).toMatchObject({
        status: 422,
      });
      expect(await change({ action: "promote" })).toMatchObject({ status: 422 });
      expect(await change({ action: "rollback" })).toMatchObject({ status: 422 });
      expect(await through(client)).toBe("x-1");
    },
    LIMIT_MS,
  );

  test(
    "a canary serves its channels alone, until it is promoted",
    async () => {
      await using node = await setup();
      const { client, change } = node;
      const mode = { type: "canary", channels: ["t.canary"] };
      expect(await change({ action: "deploy", use: "./two.ts", mode })).toMatchObject({
        status: 200,
      });
      expect(await through(client)).toBe("x-1");
      expect(await through(client, "t.canary")).toBe("x-2");
      expect(await change({ action: "promote" })).toMatchObject({ status: 200 });
      expect(await through(client)).toBe("x-2");
    },
    LIMIT_MS,
  );

  test(
    "a shadow is compared with what serves, and nothing of it is published",
    async () => {
      await using node = await setup();
      const { client, change, status } = node;
      const mode = { type: "shadow", percent: 100 };
      expect(await change({ action: "deploy", use: "./two.ts", mode })).toMatchObject({
        status: 200,
      });
      await waitUntil("the shadow has seen something", async () => {
        expect(await through(client)).toBe("x-1");
        return /"different":[1-9]/.test(JSON.stringify((await status())["rollout"]));
      });
      expect(new Set(await stored(client, "t.a"))).toEqual(new Set(["x-1"]));
      expect(await change({ action: "rollback" })).toMatchObject({ status: 200 });
      // The report of what was tried out last stays to be read.
      expect(await status()).toMatchObject({
        version: "1.0.0",
        rollout: { endedBecause: "rolled back" },
      });
    },
    LIMIT_MS,
  );

  test(
    "a dry run shows what would become of payloads",
    async () => {
      await using node = await setup();
      const { client, dryRun } = node;
      expect(await dryRun(["x", "drop", "fail"])).toMatchObject({
        status: 200,
        body: {
          outcomes: [
            { type: "publish", payload: "x-1" },
            { type: "drop", reason: "verdict" },
            { type: "reject", code: "transformRejected" },
          ],
        },
      });
      expect(await stored(client, "t.dry")).toEqual([]);
    },
    LIMIT_MS,
  );
});
