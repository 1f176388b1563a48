import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { ConfigInput } from "../../../broker/config/config.ts";
import { randomId } from "../../../broker/engine/epoch.ts";
import type { TestBroker } from "../../support/broker.ts";
import { failureOf } from "../../support/failure.ts";
import { answered, refusal } from "../../support/http-answer.ts";
import { ProtocolClient, publishFrame, RefusedError } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import type { RedisServer } from "../../support/redis/redis-server.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { OBEY, startTransforms, stored } from "./transform-node.ts";

const START_LIMIT_MS = 60_000;

/** One binding for each failure policy, all of the same transform. */
const TRANSFORMS = [
  OBEY,
  { ...OBEY, id: "obey-drop", channels: ["drop.>"], onError: "drop" },
  { ...OBEY, id: "obey-pass", channels: ["pass.>"], onError: "pass" },
  { ...OBEY, id: "obey-dead", channels: ["dead.*.a"], onError: "dead-letter:letters" },
] as const;

async function codeOf(promise: Promise<unknown>): Promise<number> {
  return ((await failureOf(promise)) as RefusedError).code;
}

function verdicts(start: (input: ConfigInput) => Promise<TestBroker>): void {
  let node: TestBroker;

  beforeAll(async () => {
    node = await start({
      namespaces: [{ pattern: "t.small.>", maxPayloadBytes: 100 }],
    });
  }, START_LIMIT_MS);
  afterAll(() => node[Symbol.asyncDispose](), START_LIMIT_MS);

  describe.each(["msgpack", "json"] as const)("a %s client", (format) => {
    const connect = (): Promise<ProtocolClient> => ProtocolClient.connect(node.url, { format });

    test("publishes, subscribes, reads history and recovers what the transform made", async () => {
      const channel = `t.${format}`;
      await using client = await connect();
      const before = await client.subscribe(channel);
      const first = await client.publish(channel, "one");
      expect(first).toMatchObject({ offset: before.offset + 1, epoch: before.epoch });
      expect(await client.publish(channel, "pass two")).toMatchObject({ offset: first.offset + 1 });
      await client.untilPublications(2);
      expect(client.texts(channel)).toEqual(["ONE", "pass two"]);
      expect(await stored(client, channel)).toEqual(["ONE", "pass two"]);
      await using late = await connect();
      const recover = { epoch: before.epoch, offset: before.offset };
      expect(await late.subscribe(channel, { recover })).toMatchObject({ recovered: true });
      await late.untilPublications(2);
      expect(late.texts(channel)).toEqual(["ONE", "pass two"]);
    });

    test("a drop is acknowledged with offset 0, and nothing is stored", async () => {
      const channel = `t.drop-${format}`;
      await using client = await connect();
      expect(await client.publish(channel, "drop")).toEqual({ offset: 0, epoch: "" });
      expect(await client.publish(channel, "kept")).toMatchObject({ offset: 1 });
      expect(await stored(client, channel)).toEqual(["KEPT"]);
    });

    test("headers a transform sets stand beside the publisher's, and all else stays", async () => {
      const channel = `t.headers-${format}`;
      await using client = await connect();
      await client.subscribe(channel);
      const headers = new Map([["own", "1"]]);
      await client.publish(channel, "header x", { id: "i", key: "k", headers });
      await client.untilPublications(1);
      expect(client.publications[0]?.meta).toMatchObject({
        id: "i",
        key: "k",
        headers: new Map([
          ["own", "1"],
          ["told", "x"],
        ]),
        timeMs: expect.any(Number),
      });
    });

    test("emissions are stored when the acknowledgement is here", async () => {
      await using client = await connect();
      await client.publish(`t.emit-${format}`, `emit out.${format}=a,out.${format}=b`);
      expect(await stored(client, `out.${format}`)).toEqual(["a", "b"]);
    });
  });

  test("each failure policy does what it says, for a message that fails and one that throws", async () => {
    await using client = await ProtocolClient.connect(node.url);
    for (const word of ["fail", "throw"]) {
      expect(await codeOf(client.publish(`t.${word}`, word))).toBe(4019);
      expect(await client.publish(`drop.${word}`, word)).toEqual({ offset: 0, epoch: "" });
      expect(await client.publish(`pass.${word}`, word)).toMatchObject({ offset: 1 });
      expect(await client.publish(`dead.${word}.a`, word)).toEqual({ offset: 0, epoch: "" });
      expect(await stored(client, `t.${word}`)).toEqual([]);
      expect(await stored(client, `drop.${word}`)).toEqual([]);
      expect(await stored(client, `pass.${word}`)).toEqual([word]);
      expect(await stored(client, `dead.${word}.a`)).toEqual([]);
    }
    expect(await stored(client, "letters")).toEqual(["fail", "throw"]);
    const { publications } = await client.history("letters", 1);
    const headers = [...(publications[0]?.meta?.headers?.values() ?? [])];
    expect(headers).toContain("dead.throw.a");
    expect(headers.some((value) => value.includes("told to throw"))).toBe(true);
  });

  test("a message that throws takes none of its batch along", async () => {
    await using client = await ProtocolClient.connect(node.url);
    const texts = ["a", "throw", "b", "fail", "c", "drop", "d"];
    const ids = texts.map(() => client.nextId());
    client.send(...texts.map((text, i) => publishFrame(ids[i] as number, "t.batch", text)));
    const offsets = await Promise.all(
      ids.map((id) =>
        client.published(id).then(
          ({ offset }) => offset,
          (error: RefusedError) => error.code,
        ),
      ),
    );
    expect(offsets).toEqual([1, 4019, 2, 4019, 3, 0, 4]);
    expect(await stored(client, "t.batch")).toEqual(["A", "B", "C", "D"]);
  });

  test("a message that hangs fails alone, and its channel goes on", async () => {
    await using client = await ProtocolClient.connect(node.url);
    const ids = ["a", "hang", "b"].map((text) => {
      const id = client.nextId();
      client.send(publishFrame(id, "t.hang", text));
      return id;
    });
    const [first, hung, next] = ids.map((id) => client.published(id)) as [
      Promise<unknown>,
      Promise<unknown>,
      Promise<unknown>,
    ];
    expect(await codeOf(hung)).toBe(4110);
    expect(await first).toMatchObject({ offset: 1 });
    expect(await next).toMatchObject({ offset: 2 });
    expect(await stored(client, "t.hang")).toEqual(["A", "B"]);
  });

  test("what a transform may not emit to is a failure, and nothing of the publication is stored", async () => {
    await using client = await ProtocolClient.connect(node.url);
    expect(await codeOf(client.publish("t.may", "emit out.may=1,secret=2"))).toBe(4019);
    for (const channel of ["t.may", "out.may", "secret"]) {
      expect(await stored(client, channel)).toEqual([]);
    }
  });

  test("a payload that grew over its channel's bound is a failure", async () => {
    await using client = await ProtocolClient.connect(node.url);
    expect(await client.publish("t.small.a", "grow 100")).toMatchObject({ offset: 1 });
    expect(await codeOf(client.publish("t.small.a", "grow 101"))).toBe(4019);
    expect(await codeOf(client.publish("t.big", "grow 70000"))).toBe(4019);
    expect(await client.publish("t.small.a", "after")).toMatchObject({ offset: 2 });
  });

  test("a publication id makes a publish safe to repeat, emissions included", async () => {
    await using client = await ProtocolClient.connect(node.url);
    const text = "emit out.again=x";
    const publish = () => client.publish("t.again", text, { id: "same" });
    const outcomes = await Promise.all([publish(), publish(), publish()]);
    outcomes.push(await publish());
    expect(new Set(outcomes.map(({ offset, epoch }) => `${offset} ${epoch}`)).size).toBe(1);
    expect(await stored(client, "t.again")).toEqual([text]);
    expect(await stored(client, "out.again")).toEqual(["x"]);
    const plain = () => client.publish("t.plain-again", "one", { id: "same" });
    expect(await plain()).toMatchObject({ offset: 1 });
    expect(await plain()).toMatchObject({ offset: 1 });
    expect(await stored(client, "t.plain-again")).toEqual(["ONE"]);
  });

  test("the server API publishes through transforms, one and many", async () => {
    const post = (path: string, body: unknown) =>
      answered(
        fetch(node.httpUrl + path, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      );
    const publish = (payload: string) => post("/v1/publish", { channel: "t.http", payload });
    expect(await publish("one")).toMatchObject({ status: 200, body: { offset: 1 } });
    expect(await publish("drop")).toEqual({ status: 200, body: { offset: 0, epoch: "" } });
    expect(await publish("fail")).toEqual(refusal(422, "transform_rejected"));
    const payloads = Array.from({ length: 200 }, (_, i) => (i % 50 === 7 ? "fail" : `n${i}`));
    const publications = payloads.map((payload) => ({ channel: "t.http", payload }));
    const { body } = await post("/v1/batch", { publications });
    let next = 2;
    const expected: object[] = payloads.map((payload) =>
      payload === "fail" ? { error: { name: "transform_rejected" } } : { offset: next++ },
    );
    expect(body).toMatchObject({ results: expected });
    await using client = await ProtocolClient.connect(node.url);
    const kept = payloads.filter((payload) => payload !== "fail").map((one) => one.toUpperCase());
    expect(await stored(client, "t.http")).toEqual(["ONE", ...kept]);
  });
}

describe("transforms with the memory engine", () => {
  verdicts((input) => startTransforms(TRANSFORMS, input));
});

describeWithRedis("transforms with the Redis engine", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  }, START_LIMIT_MS);
  afterAll(() => redis[Symbol.asyncDispose](), START_LIMIT_MS);

  verdicts((input) =>
    startTransforms(TRANSFORMS, { ...input, redis: [redis.url], redisPrefix: `t${randomId(8)}` }),
  );
});
