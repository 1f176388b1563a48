import { afterAll, beforeAll, expect, test } from "bun:test";

import { TransformChangeError } from "../../../../broker/api.ts";
import type { NodeAnswer, Question } from "../../../../broker/cluster/questions.ts";
import { randomId } from "../../../../broker/engine/epoch.ts";
import { readControlMessage } from "../../../../broker/engine/redis/control-message.ts";
import { Code } from "../../../../protocol/codes.ts";
import { RedisNodeProcess } from "../../../support/redis-node-process.ts";
import { RedisNode } from "../../../support/redis-node.ts";
import {
  REDIS_START_LIMIT_MS,
  REDIS_TOPOLOGIES,
  serversAt,
} from "../../../support/redis-topologies.ts";
import type { RunningRedis } from "../../../support/redis-topologies.ts";
import { describeWithRedis } from "../../../support/redis/binary.ts";
import { startRedis } from "../../../support/redis/start-redis.ts";
import { waitUntil } from "../../../support/redis/wait.ts";
import { rejection } from "../../../support/rejection.ts";

/** So long that nothing here happens because a lease ends; except where a test says otherwise. */
const LEASE_MS = 60_000;

/** Never over in a test, so that something else must have ended the wait. */
const FOREVER_MS = 600_000;

function question(given: Partial<Question> = {}): Question {
  return { name: "echo", arguments: {}, to: "all", timeoutMs: FOREVER_MS, ...given };
}

function rules(given: Partial<Question>): Question {
  return question({ name: "trace-rules", arguments: { change: null }, ...given });
}

/** Has a node say its name and what it was asked. */
function echo(node: RedisNode, name: string): void {
  node.answerer.on("echo", (given) => ({ name, ...given }));
}

function brief(answer: NodeAnswer): unknown[] {
  const { node, type } = answer;
  if (answer.type === "answer") return [node, type, answer.value];
  return answer.type === "refusal" ? [node, type, answer.refusal.code] : [node, type];
}

for (const { title, start } of REDIS_TOPOLOGIES) {
  describeWithRedis(`questions over ${title}`, () => {
    let redis: RunningRedis;
    beforeAll(async () => {
      redis = await start();
    }, REDIS_START_LIMIT_MS);
    afterAll(() => redis[Symbol.asyncDispose]());

    async function startNode(name: string, prefix: string): Promise<RedisNode> {
      const { topology } = redis;
      const node = await RedisNode.start({ topology, prefix, node: name, leaseMs: LEASE_MS });
      await node.untilReady();
      return node;
    }

    test("are answered by whom they are for, the asking node first", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await startNode("a", prefix);
      await using b = await startNode("b", prefix);
      await using c = await startNode("c", prefix);
      for (const [node, name] of [
        [a, "A"],
        [b, "B"],
        [c, "C"],
      ] as const)
        echo(node, name);
      const ask = async (asking: RedisNode, given: Partial<Question>): Promise<unknown[]> => {
        const { answers, isCutOff } = await asking.directory.ask(question(given));
        expect(isCutOff).toBeFalse();
        return answers.map(brief);
      };
      const text = "\u00e4\n";
      expect(await ask(b, { arguments: { text } })).toEqual([
        ["b", "answer", { name: "B", text }],
        ["a", "answer", { name: "A", text }],
        ["c", "answer", { name: "C", text }],
      ]);
      expect(await ask(a, { to: "own" })).toEqual([["a", "answer", { name: "A" }]]);
      expect(await ask(a, { to: "others" })).toHaveLength(2);
      expect(await ask(a, { to: ["c"] })).toEqual([["c", "answer", { name: "C" }]]);
      expect(await ask(a, { to: ["a"] })).toEqual([["a", "answer", { name: "A" }]]);
      expect(await ask(a, { to: ["nobody"] })).toEqual([]);
      const { answers } = await a.directory.ask(question());
      const runs = answers.map(({ run }) => run);
      expect(await ask(a, { to: runs.slice(1) })).toHaveLength(2);
    });

    test("leave a turn to one node at a time, and to the next when its work has failed", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await startNode("a", prefix);
      await using b = await startNode("b", prefix);
      const gate = Promise.withResolvers<string>();
      const begun = Promise.withResolvers<void>();
      const first = a.directory.inTurn("x", () => {
        begun.resolve();
        return gate.promise;
      });
      await begun.promise;
      for (const node of [a, b]) {
        const second = node.directory.inTurn("x", () => Promise.reject(new Error("it was let in")));
        expect(await rejection(second)).toMatchObject({ info: Code.overloaded });
      }
      expect(await b.directory.inTurn("y", () => Promise.resolve(1))).toBe(1);
      gate.resolve("done");
      expect(await first).toBe("done");
      const failing = b.directory.inTurn("x", () => Promise.reject(new Error("failed")));
      expect(await rejection(failing)).toMatchObject({ message: "failed" });
      expect(await a.directory.inTurn("x", () => Promise.resolve(2))).toBe(2);
    });

    test("that a node does not know, cannot answer or refuses are answered so", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await startNode("a", prefix);
      await using b = await startNode("b", prefix);
      a.answerer.on("new", () => 1);
      const unknown = await a.directory.ask(question({ name: "new" }));
      expect(unknown.answers.map(brief)).toEqual([
        ["a", "answer", 1],
        ["b", "refusal", Code.unknownOp.code],
      ]);
      const fault = { type: "load", message: "m", file: "/f", line: 3, issues: [] };
      for (const node of [a, b]) {
        node.answerer.on("refuse", () => {
          throw new TransformChangeError("no", fault);
        });
        node.answerer.on("fail", () => Promise.reject(new Error("a secret")));
      }
      const refused = await a.directory.ask(question({ name: "refuse" }));
      const refusal = { code: Code.badField.code, message: "no", retryAfterMs: null, fault };
      expect(refused.answers).toMatchObject([{ refusal }, { refusal }]);
      const failed = await a.directory.ask(question({ name: "fail" }));
      expect(JSON.stringify(failed)).not.toContain("secret");
      expect(failed.answers.map(brief)).toEqual([
        ["a", "refusal", Code.internal.code],
        ["b", "refusal", Code.internal.code],
      ]);
      expect([a.logged("question_failed"), b.logged("question_failed")]).toEqual([1, 1]);
    });

    test("have a bound, and so have answers", async () => {
      const prefix = `t${randomId(8)}`;
      await using a = await startNode("a", prefix);
      await using b = await startNode("b", prefix);
      const large = "x".repeat(256 * 1024);
      let asked = 0;
      for (const node of [a, b]) node.answerer.on("large", () => (asked++, large));
      const tooLarge = a.directory.ask(question({ name: "large", arguments: { large } }));
      expect(await rejection(tooLarge)).toMatchObject({ info: Code.tooLarge });
      expect(asked).toBe(0);
      const { answers } = await a.directory.ask(question({ name: "large" }));
      expect(answers.map(brief)).toEqual([
        ["a", "answer", large],
        ["b", "refusal", Code.tooLarge.code],
      ]);
      const gate = Promise.withResolvers<void>();
      for (const node of [a, b]) node.answerer.on("wait", () => gate.promise);
      const others = question({ name: "wait", to: "others" });
      const waiting = Array.from({ length: 64 }, () => a.directory.ask(others));
      expect(await rejection(a.directory.ask(others))).toMatchObject({ info: Code.overloaded });
      await waitUntil("b works on all of them", async () => {
        const { type } = await b.answerer.answer("large", {});
        return type === "refusal";
      });
      gate.resolve();
      const all = await Promise.all(waiting);
      expect(all.flatMap((one) => one.answers.map(({ type }) => type))).toEqual(
        Array.from({ length: 64 }, () => "answer"),
      );
    });
  });
}

describeWithRedis("a node that does not answer", () => {
  test("because it stands still is named, and does not act on it when it goes on", async () => {
    await using redis = await startRedis();
    const shared = { topology: serversAt(redis.url), prefix: "t", leaseMs: LEASE_MS };
    await using a = await RedisNode.start({ ...shared, node: "a" });
    await using b = await RedisNode.start({ ...shared, node: "b" });
    await using c = await RedisNodeProcess.start({ ...shared, node: "c" });
    await a.untilReady();
    await b.untilReady();
    await waitUntil("c answers", async () => {
      const { answers } = await a.directory.ask(rules({ to: ["c"] }));
      return answers.length === 1;
    });
    await c.freeze();
    const rule = {
      id: "r",
      channel: "x",
      user: null,
      connection: null,
      expiresAtMs: Date.now() + 600_000,
    };
    const change = { type: "set", rule };
    const { answers } = await a.directory.ask(rules({ arguments: { change }, timeoutMs: 300 }));
    expect(answers.map(({ node, type }) => [node, type])).toEqual([
      ["a", "answer"],
      ["b", "answer"],
      ["c", "silent"],
    ]);
    expect(a.logged("question_unanswered")).toBe(1);
    // Who is asked by name need not wait for others.
    expect((await a.directory.ask(rules({ to: ["b"] }))).answers.map(({ node }) => node)).toEqual([
      "b",
    ]);
    c.thaw();
    const after = await a.directory.ask(rules({ to: "others" }));
    const told = after.answers.map((one) => (one.type === "answer" ? one.value : one.type));
    expect(told).toMatchObject([{ rules: [{ id: "r" }] }, { rules: [] }]);
  });

  test("because it died is not waited for any longer than its lease lasts", async () => {
    await using redis = await startRedis();
    const shared = { topology: serversAt(redis.url), prefix: "t", leaseMs: 1200 };
    await using a = await RedisNode.start({ ...shared, node: "a" });
    await using c = await RedisNodeProcess.start({ ...shared, node: "c" });
    await a.untilReady();
    const transforms = question({ name: "transforms" });
    await waitUntil("c answers", async () => {
      const { answers } = await a.directory.ask(transforms);
      return answers.length === 2;
    });
    await c.freeze();
    const asking = a.directory.ask(transforms);
    await c.crash();
    expect((await asking).answers.map(({ node, type }) => [node, type])).toEqual([
      ["a", "answer"],
      ["c", "silent"],
    ]);
    await waitUntil("nobody knows it any more", async () => {
      const { answers } = await a.directory.ask(transforms);
      return answers.length === 1;
    });
  });

  test("because Redis is away leaves the own answer, and that it is not all", async () => {
    await using redis = await startRedis();
    const shared = { topology: serversAt(redis.url), prefix: "t", leaseMs: LEASE_MS };
    await using a = await RedisNode.start({ ...shared, node: "a" });
    await using b = await RedisNode.start({ ...shared, node: "b" });
    for (const node of [a, b]) await node.untilReady();
    await redis.kill9();
    expect(await a.api.cluster.transforms()).toEqual({
      transforms: [],
      unreachable: [],
      failed: [],
      isPartial: true,
    });
    await redis.restart();
    await waitUntil("all answer again", async () => {
      // What is answered while connections come back may be lost.
      const asked = question({ name: "transforms", timeoutMs: 200 });
      const { answers, isCutOff } = await a.directory.ask(asked);
      return (
        !isCutOff &&
        answers.every(({ type }) => type === "answer") &&
        answers.map(({ node }) => node).join() === "a,b"
      );
    });
  });
});

function read(message: object): unknown {
  return readControlMessage(Buffer.from(JSON.stringify(message)));
}

test("a question and an answer are read back as they were written, and nothing else is taken for one", () => {
  const ask = {
    type: "ask",
    from: "n.1",
    id: "x",
    name: "q",
    untilMs: 5,
    to: null,
    arguments: "{}",
  };
  const answer = { type: "answer", from: "n.1", id: "x", answer: { type: "answer", value: [1] } };
  const refusal = { code: 4009, message: "no", retryAfterMs: null, fault: null };
  const refused = { ...answer, answer: { type: "refusal", refusal } };
  for (const good of [
    ask,
    { ...ask, to: ["n", "m.2"] },
    answer,
    refused,
    { ...answer, answer: null },
  ]) {
    expect(read({ ...good, more: 1 })).toEqual(good);
  }
  for (const [name, value] of Object.entries({
    from: 1,
    id: null,
    name: "q".repeat(65),
    to: [1],
    untilMs: "5",
    arguments: {},
  })) {
    expect(read({ ...ask, [name]: value })).toBeNull();
  }
  for (const bad of [
    1,
    "yes",
    {},
    { type: "refusal" },
    { type: "refusal", refusal: { code: "4009" } },
  ]) {
    expect(read({ ...answer, answer: bad })).toBeNull();
  }
  expect(read({ type: "answer", from: "n.1", id: "x" })).toBeNull();
});
