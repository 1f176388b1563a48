import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { answered, refusal } from "../../support/http-answer.ts";
import { HttpBroker } from "../../support/http-broker.ts";
import type { HttpBrokerOptions } from "../../support/http-broker.ts";
import { emission, outcome, PlainTransforms } from "../../support/plain-transforms.ts";
import { TempFolder } from "../../support/temp-folder.ts";

const BINDING = {
  id: "upper",
  use: "./upper.ts",
  channels: ["t.>"],
  onError: "nack",
  emit: ["u.>"],
} as const;

async function start(
  options: HttpBrokerOptions = {},
): Promise<{ http: HttpBroker; runner: PlainTransforms } & AsyncDisposable> {
  const runner = new PlainTransforms({
    id: "upper",
    channels: ["t.>"],
    process: ({ text, bytes }) => {
      if (text === "drop") return outcome.drop([emission("u.b", "x", "k")]);
      if (text === "fail") return outcome.reject("it failed");
      if (text === "dead") return outcome.deadLetter("dead.t", bytes, { why: "so" });
      return outcome.publish(text.toUpperCase());
    },
  });
  const http = await HttpBroker.start({ runner, transforms: [BINDING], ...options });
  return { http, runner, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
}

/** As workers/ makes it: the broker knows it by its shape. */
function transformError(message: string, fault: object | null): Error {
  return Object.assign(new Error(message), { name: "TransformError", fault });
}

test("publishing answers what the transform made of it, one by one in a batch", async () => {
  await using node = await start();
  const { http } = node;
  const publish = (payload: string) =>
    answered(http.post("/v1/publish", { channel: "t.a", payload }));
  expect(await publish("one")).toMatchObject({ status: 200, body: { offset: 1 } });
  expect(await publish("drop")).toEqual({ status: 200, body: { offset: 0, epoch: "" } });
  expect(await publish("dead")).toEqual({ status: 200, body: { offset: 0, epoch: "" } });
  expect(await publish("fail")).toEqual(refusal(502, "transform_failed"));
  const payloads = ["two", "fail", "drop", "three"];
  const publications = payloads.map((payload) => ({ channel: "t.a", payload }));
  const { body } = await answered(http.post("/v1/batch", { publications }));
  expect(body).toMatchObject({
    results: [{ offset: 2 }, { error: { name: "transform_failed" } }, { offset: 0 }, { offset: 3 }],
  });
  const history = await answered(http.fetch("/v1/history?channel=t.a"));
  expect(history.body).toMatchObject({
    publications: [{ payload: "ONE" }, { payload: "TWO" }, { payload: "THREE" }],
  });
});

test("tells how the transforms do", async () => {
  await using node = await start();
  const { http, runner } = node;
  const all = { unreachable: [], failed: [], isPartial: false };
  const { node: name } = http.config;
  expect(await answered(http.fetch("/v1/transforms"))).toEqual({
    status: 200,
    body: { transforms: runner.status().map((one) => ({ ...one, node: name })), ...all },
  });
  await using without = await HttpBroker.start();
  expect(await answered(without.fetch("/v1/transforms"))).toEqual({
    status: 200,
    body: { transforms: [], ...all },
  });
  expect(
    await answered(without.post("/v1/transforms", { action: "rollback", id: "upper" })),
  ).toEqual(refusal(404, "not_found"));
});

describe("changing a transform", () => {
  test("hands on what was asked for, with the defaults", async () => {
    await using folder = await TempFolder.create();
    const file = await folder.write("v2.ts", "");
    await using node = await start({ transformsFolder: folder.path });
    const { http, runner } = node;
    const change = async (body: object): Promise<unknown> => {
      const { status } = await answered(http.post("/v1/transforms", { id: "upper", ...body }));
      expect(status).toBe(200);
      return runner.changes.at(-1);
    };
    const deploy = { action: "deploy", id: "upper", use: null, config: undefined };
    expect(await change({ action: "deploy" })).toEqual({ ...deploy, mode: { type: "replace" } });
    expect(
      await change({
        action: "deploy",
        use: "./v2.ts",
        config: { a: 1 },
        mode: { type: "shadow", percent: 5 },
      }),
    ).toEqual({ ...deploy, use: file, config: { a: 1 }, mode: { type: "shadow", percent: 5 } });
    const canary = { type: "canary", channels: ["t.eu.>"] };
    expect(await change({ action: "deploy", use: "./upper.ts", mode: canary })).toEqual({
      ...deploy,
      use: join(process.cwd(), "upper.ts"),
      mode: canary,
    });
    expect(await change({ action: "promote" })).toEqual({ action: "promote", id: "upper" });
    expect(await change({ action: "rollback" })).toEqual({ action: "rollback", id: "upper" });
  });

  test.each<[string, object, number, string]>([
    ["an unknown action", { action: "delete" }, 400, "bad_field"],
    ["an unknown transform", { action: "rollback", id: "other" }, 404, "not_found"],
    ["a rollback to a file", { action: "rollback", use: "./v2.ts" }, 400, "bad_field"],
    ["a promotion with config", { action: "promote", config: null }, 400, "bad_field"],
    ["a file, without a folder for them", { action: "deploy", use: "/x.ts" }, 403, "forbidden"],
    ["an unknown mode", { action: "deploy", mode: { type: "now" } }, 400, "bad_field"],
    [
      "a shadow of nothing",
      { action: "deploy", mode: { type: "shadow", percent: 0 } },
      400,
      "bad_field",
    ],
    ["a canary without channels", { action: "deploy", mode: { type: "canary" } }, 400, "bad_field"],
    [
      "a canary on a bad pattern",
      { action: "deploy", mode: { type: "canary", channels: ["a b"] } },
      400,
      "bad_channel",
    ],
    [
      "a mode with too much",
      { action: "deploy", mode: { type: "replace", percent: 5 } },
      400,
      "bad_field",
    ],
  ])("%s is refused", async (_name, body, status, name) => {
    await using node = await start();
    const { http, runner } = node;
    const answer = await answered(http.post("/v1/transforms", { id: "upper", ...body }));
    expect(answer).toEqual(refusal(status, name));
    expect(runner.changes).toEqual([]);
  });

  test("a version that cannot be loaded is told with its file and line", async () => {
    await using node = await start();
    const { http, runner } = node;
    const fault = {
      type: "load",
      message: "Unexpected }",
      file: "/srv/v2.ts",
      line: 3,
      issues: [],
    };
    runner.changeError = transformError("v2.ts:3: Unexpected }", { ...fault, stack: "at /srv" });
    expect(await answered(http.post("/v1/transforms", { action: "deploy", id: "upper" }))).toEqual({
      status: 422,
      body: { error: { code: 4009, name: "bad_field", message: "v2.ts:3: Unexpected }", fault } },
    });
    runner.changeError = transformError("nothing to roll back to", null);
    expect(
      await answered(http.post("/v1/transforms", { action: "rollback", id: "upper" })),
    ).toEqual({
      status: 422,
      body: { error: { code: 4009, name: "bad_field", message: "nothing to roll back to" } },
    });
    // What nobody expected is nobody's business.
    runner.changeError = new Error("a secret");
    expect(
      await answered(http.post("/v1/transforms", { action: "rollback", id: "upper" })),
    ).toEqual(refusal(500, "internal"));
  });
});

test("a dry run tells what would become of payloads, and publishes nothing", async () => {
  await using node = await start();
  const { http } = node;
  const payloads = ["one", "drop", "fail", "dead", { b64: "/w==" }];
  const answer = await answered(
    http.post("/v1/transforms/dry-run", { id: "upper", channel: "t.a", payloads }),
  );
  const common = { runMs: 0, fault: null };
  expect(answer).toEqual({
    status: 200,
    body: {
      outcomes: [
        { type: "publish", payload: "ONE", headers: {}, emissions: [], ...common },
        {
          type: "drop",
          reason: "verdict",
          emissions: [{ channel: "u.b", payload: "x", key: "k" }],
          ...common,
        },
        { type: "reject", code: "transformFailed", message: "it failed", ...common },
        {
          type: "dead-letter",
          channel: "dead.t",
          payload: "dead",
          headers: { why: "so" },
          ...common,
        },
        { type: "publish", payload: "\ufffd", headers: {}, emissions: [], ...common },
      ],
    },
  });
  expect(http.broker.api.stats.publications).toBe(0);
  expect(
    await answered(http.post("/v1/transforms/dry-run", { id: "no", channel: "t.a", payloads })),
  ).toEqual(refusal(404, "not_found"));
});

describe("health", () => {
  test.each([
    ["failed", "nack", 503],
    ["failed", "drop", 503],
    ["failed", "dead-letter:dead.t", 503],
    ["failed", "pass", 200],
    ["starting", "nack", 503],
    ["starting", "pass", 200],
    ["tripped", "nack", 200],
    ["degraded", "nack", 200],
  ] as const)("a transform that is %s with the policy %s: %d", async (state, onError, status) => {
    const runner = new PlainTransforms({
      id: "upper",
      channels: ["t.>"],
      onError,
      process: ({ text }) => outcome.publish(text),
    });
    await using http = await HttpBroker.start({ runner });
    expect((await http.fetch("/health")).status).toBe(200);
    runner.state = state;
    const health = await answered(http.fetch("/health"));
    expect(health).toMatchObject({
      status,
      body: { status: status === 200 ? "ok" : "degraded", transforms: [{ id: "upper", state }] },
    });
  });
});
