import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { TransformChangeError } from "../../../broker/api.ts";
import { randomId } from "../../../broker/engine/epoch.ts";
import type { TransformChange } from "../../../broker/ports.ts";
import { Code } from "../../../protocol/codes.ts";
import { RedisNodeProcess } from "../../support/redis-node-process.ts";
import { RedisNode } from "../../support/redis-node.ts";
import type { RedisNodeOptions } from "../../support/redis-node.ts";
import { serversAt } from "../../support/redis-topologies.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import type { RedisServer } from "../../support/redis/redis-server.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { waitUntil } from "../../support/redis/wait.ts";
import { rejection } from "../../support/rejection.ts";
import { TempFolder } from "../../support/temp-folder.ts";

/* Aim: what is asked of one node about transforms is asked of all. Method: nodes that each load the transform from a
   folder of their own, so that a version can be wrong on one of them. */

const DEPLOY: TransformChange = {
  action: "deploy",
  id: "mark",
  use: null,
  config: undefined,
  mode: { type: "replace" },
};
const ROLLBACK: TransformChange = { action: "rollback", id: "mark" };

function source(version: string): string {
  return `import { defineTransform } from "tickwire/transform";
export const transform = defineTransform({
  name: "mark",
  version: "${version}",
  config: { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } },
  process(batch) {
    for (const message of batch) message.replace(message.text() + " ${version}");
  },
});
`;
}

const BROKEN = "export const transform = ;\n";

/** Node, version and the one before, as any node tells them. */
async function versions({ api }: RedisNode): Promise<unknown[]> {
  const { transforms } = await api.cluster.transforms();
  return transforms.map((one) => [one.node, one.version, one.previousVersion]);
}

async function failureOf(changing: Promise<unknown>): Promise<TransformChangeError> {
  const error = await rejection(changing);
  expect(error).toBeInstanceOf(TransformChangeError);
  return error as TransformChangeError;
}

describeWithRedis("transforms on all nodes", () => {
  let redis: RedisServer;
  let folder: TempFolder;
  let prefix = "";
  beforeAll(async () => {
    redis = await startRedis();
    folder = await TempFolder.create();
  });
  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** Puts a version where a node loads it from. */
  async function write(node: string, text: string): Promise<void> {
    await folder.write(`${prefix}-${node}/mark.ts`, text);
  }

  async function options(node: string, leaseMs = 60_000): Promise<RedisNodeOptions> {
    await write(node, source("1.0.0"));
    const directory = join(folder.path, `${prefix}-${node}`);
    const binding = { id: "mark", use: "./mark.ts", directory, channels: ["t.>"] };
    return {
      topology: serversAt(redis.url),
      prefix,
      node,
      leaseMs,
      config: { transforms: [{ ...binding, onError: "nack" }] },
    };
  }

  async function start(node: string, leaseMs?: number): Promise<RedisNode> {
    const started = await RedisNode.start(await options(node, leaseMs));
    await started.untilReady();
    return started;
  }

  describe("two nodes", () => {
    let a: RedisNode;
    let b: RedisNode;
    beforeAll(async () => {
      prefix = `t${randomId(8)}`;
      a = await start("a");
      b = await start("b");
    });
    afterAll(async () => {
      await a[Symbol.asyncDispose]();
      await b[Symbol.asyncDispose]();
    });

    test("a deploy by one reaches both, and so does a rollback by the other", async () => {
      for (const node of ["a", "b"]) await write(node, source("2.0.0"));
      const deployed = await b.api.cluster.changeTransform(DEPLOY, null);
      expect(deployed).toMatchObject({
        node: "b",
        version: "2.0.0",
        nodes: [{ node: "b" }, { node: "a", version: "2.0.0" }],
        unreachable: [],
        failed: [],
        isPartial: false,
      });
      expect(await versions(a)).toEqual([
        ["a", "2.0.0", "1.0.0"],
        ["b", "2.0.0", "1.0.0"],
      ]);
      await using client = await b.connect("ada");
      await client.publish("t.a", "x");
      await using other = await a.connect("eve");
      await other.publish("t.a", "y");
      const { publications } = await client.history("t.a", 10);
      const payloads = publications.map(({ payload }) => new TextDecoder().decode(payload));
      expect(payloads).toEqual(["x 2.0.0", "y 2.0.0"]);
      await a.api.cluster.changeTransform(ROLLBACK, null);
      expect(await versions(a)).toEqual([
        ["a", "1.0.0", null],
        ["b", "1.0.0", null],
      ]);
    });

    test("of two deploys by two nodes at the same time one at most is done, and both nodes serve the same", async () => {
      for (const node of ["a", "b"]) await write(node, source("2.5.0"));
      const both = [a, b].map(({ api }) => api.cluster.changeTransform(DEPLOY, null));
      const outcomes = await Promise.allSettled(both);
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      const refused = outcomes.find(({ status }) => status === "rejected");
      expect(refused).toMatchObject({ reason: { info: Code.overloaded } });
      await a.api.cluster.changeTransform(ROLLBACK, null);
      expect(await versions(b)).toEqual([
        ["b", "1.0.0", null],
        ["a", "1.0.0", null],
      ]);
    });

    test("one that fails on the other is rolled back here, and says where and why it failed", async () => {
      await write("a", source("3.0.0"));
      await write("b", BROKEN);
      const error = await failureOf(a.api.cluster.changeTransform(DEPLOY, null));
      expect(error.nodes).toEqual([
        { node: "b", outcome: "failed", message: expect.stringContaining("mark.ts:1") },
        { node: "a", outcome: "rolled-back", message: null },
      ]);
      expect(error.message).toMatch(/^failed on b: .*; rolled back on a$/);
      expect(error.fault).toMatchObject({ type: "load", line: 1 });
      expect(error.fault?.file).toEndWith("-b/mark.ts");
      expect((await versions(b)).map((one) => (one as unknown[])[1])).toEqual(["1.0.0", "1.0.0"]);
    });

    test("one that others cannot be told of is not done here either", async () => {
      for (const node of ["a", "b"]) await write(node, source("3.0.0"));
      const config = { text: "x".repeat(256 * 1024) };
      const changing = a.api.cluster.changeTransform({ ...DEPLOY, config }, null);
      expect(await rejection(changing)).toMatchObject({ info: Code.tooLarge });
      expect((await versions(b)).map((one) => (one as unknown[])[1])).toEqual(["1.0.0", "1.0.0"]);
    });

    test("one that fails here is not tried elsewhere", async () => {
      await write("a", source("3.0.0"));
      await write("b", BROKEN);
      const error = await failureOf(b.api.cluster.changeTransform(DEPLOY, null));
      expect(error.nodes).toEqual([{ node: "b", outcome: "failed", message: expect.anything() }]);
      const before = a.logged("transform_deployed");
      expect(await rejection(b.api.cluster.changeTransform(DEPLOY, null))).toBeDefined();
      expect(a.logged("transform_deployed")).toBe(before);
    });

    test("a shadow is on both until one that fails to promote it has ended it on both", async () => {
      for (const node of ["a", "b"]) await write(node, source("4.0.0"));
      const shadow = { ...DEPLOY, mode: { type: "shadow", percent: 50 } } as const;
      const { nodes } = await a.api.cluster.changeTransform(shadow, null);
      expect(nodes.map(({ version, rollout }) => [version, rollout])).toEqual([
        [
          "1.0.0",
          expect.objectContaining({ mode: "shadow", version: "4.0.0", endedBecause: null }),
        ],
        [
          "1.0.0",
          expect.objectContaining({ mode: "shadow", version: "4.0.0", endedBecause: null }),
        ],
      ]);
      await b.api.cluster.changeTransform(ROLLBACK, "b");
      const error = await failureOf(
        a.api.cluster.changeTransform({ action: "promote", id: "mark" }, null),
      );
      expect(error.nodes?.map(({ node, outcome }) => [node, outcome])).toEqual([
        ["b", "failed"],
        ["a", "rolled-back"],
      ]);
      expect((await versions(b)).map((one) => (one as unknown[])[1])).toEqual(["1.0.0", "1.0.0"]);
    });

    test("a change of one node by name leaves the other alone, and rolling back does what it can", async () => {
      await write("b", source("5.0.0"));
      const { node, nodes } = await a.api.cluster.changeTransform(DEPLOY, "b");
      expect([node, nodes.length]).toEqual(["b", 1]);
      expect((await versions(a)).map((one) => (one as unknown[])[1])).toEqual(["1.0.0", "5.0.0"]);
      // The other has nothing to go back to.
      expect(await a.api.cluster.changeTransform(ROLLBACK, null)).toMatchObject({
        node: "b",
        version: "1.0.0",
        failed: [{ node: "a", message: expect.stringContaining("no version to go back to") }],
        isPartial: true,
      });
      const nowhere = a.api.cluster.changeTransform(DEPLOY, "c");
      expect(await rejection(nowhere)).toMatchObject({ info: Code.notFound });
      const other = a.api.cluster.changeTransform({ ...ROLLBACK, id: "other" }, null);
      expect(await rejection(other)).toMatchObject({ info: Code.notFound });
      const outside = a.api.cluster.changeTransform({ ...DEPLOY, use: "/etc/passwd" }, "b");
      expect(await rejection(outside)).toMatchObject({ info: Code.forbidden });
    });
  });

  test("a node that stands still and dies while a version is deployed is named, and stops nobody", async () => {
    prefix = `t${randomId(8)}`;
    await using a = await start("a", 1500);
    await using b = await start("b", 1500);
    await using c = await RedisNodeProcess.start(await options("c", 1500));
    await waitUntil("all answer", async () => (await versions(a)).length === 3);
    for (const node of ["a", "b", "c"]) await write(node, source("2.0.0"));
    await c.freeze();
    const status = await b.api.cluster.transforms();
    expect(status).toMatchObject({ unreachable: ["c"], isPartial: true });
    expect(status.transforms.map(({ node }) => node)).toEqual(["b", "a"]);
    const deploying = b.api.cluster.changeTransform(DEPLOY, null);
    await c.crash();
    expect(await deploying).toMatchObject({
      version: "2.0.0",
      nodes: [{ node: "b" }, { node: "a" }],
      unreachable: ["c"],
      isPartial: true,
    });
    await waitUntil("it is not missed any more", async () => {
      const { isPartial } = await a.api.cluster.transforms();
      return !isPartial;
    });
    expect(await versions(a)).toEqual([
      ["a", "2.0.0", "1.0.0"],
      ["b", "2.0.0", "1.0.0"],
    ]);
  });
});
