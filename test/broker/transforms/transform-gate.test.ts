import { describe, expect, test } from "bun:test";

import { EMPTY_META } from "../../../protocol/messages/meta.ts";
import { failureOf } from "../../support/failure.ts";
import { answered } from "../../support/http-answer.ts";
import { HttpBroker } from "../../support/http-broker.ts";
import type { HttpBrokerOptions } from "../../support/http-broker.ts";
import { emission, outcome, PlainTransforms } from "../../support/plain-transforms.ts";
import type { PlainTransform } from "../../support/plain-transforms.ts";
import { ProtocolClient, publishFrame, RefusedError } from "../../support/protocol-client.ts";
import { waitUntil } from "../../support/redis/wait.ts";

/** Does what the payload says: "drop", "fail", "emit", and so on; anything else in upper case. */
const obey: PlainTransform["process"] = ({ channel, text, bytes, meta }) => {
  const [word, argument = ""] = text.split(" ");
  switch (word) {
    case "pass":
      return outcome.publish(bytes, { meta });
    case "drop":
      return outcome.drop();
    case "fail":
      return outcome.reject("it failed");
    case "dead":
      return outcome.deadLetter("dead.t", bytes, { channel, long: "x".repeat(5000) });
    case "grow":
      return outcome.publish("x".repeat(Number(argument)));
    case "emit":
      return outcome.publish(text, { meta, emissions: argument.split(",").map(emissionOf) });
    case "only":
      return outcome.drop(argument.split(",").map(emissionOf));
    default:
      return outcome.publish(text.toUpperCase(), { meta });
  }
};

/** `channel=text` */
function emissionOf(pair: string): ReturnType<typeof emission> {
  const [channel = "", text = ""] = pair.split("=");
  return emission(channel, text);
}

function start(
  options: HttpBrokerOptions = {},
): Promise<{ http: HttpBroker; runner: PlainTransforms } & AsyncDisposable> {
  const runner = new PlainTransforms({ id: "obey", channels: ["t.>"], process: obey });
  const transforms = [
    { use: "./obey.ts", channels: ["t.>"], onError: "nack", emit: ["t.>", "u.>", "small.>"] },
  ] as const;
  return HttpBroker.start({ runner, transforms, maxConnectionsPerUser: 0, ...options }).then(
    (http) => ({
      http,
      runner,
      [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
    }),
  );
}

async function refusalOf(promise: Promise<unknown>): Promise<RefusedError["reply"]> {
  return ((await failureOf(promise)) as RefusedError).reply;
}

async function stored(client: ProtocolClient, channel: string): Promise<string[]> {
  const { publications } = await client.history(channel, 1000);
  return publications.map(({ payload }) => new TextDecoder().decode(payload));
}

describe.each(["msgpack", "json"] as const)("a %s publisher", (format) => {
  test("is told where what the transform made was stored, and subscribers get that", async () => {
    await using node = await start();
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url, { format });
    const { epoch } = await client.subscribe("t.a");
    expect(await client.publish("t.a", "one")).toEqual({ offset: 1, epoch });
    expect(await client.publish("t.a", "two", { headers: new Map([["h", "v"]]) })).toEqual({
      offset: 2,
      epoch,
    });
    await client.untilPublications(2);
    expect(client.texts("t.a")).toEqual(["ONE", "TWO"]);
    expect(await stored(client, "t.a")).toEqual(["ONE", "TWO"]);
    expect(client.publications[1]?.meta?.headers).toEqual(new Map([["h", "v"]]));
    // Of other channels nothing goes through it.
    await client.publish("u.a", "one");
    expect(await stored(client, "u.a")).toEqual(["one"]);
  });

  test("is told with offset 0 that a publication was left out", async () => {
    await using node = await start();
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url, { format });
    expect(await client.publish("t.a", "drop")).toEqual({ offset: 0, epoch: "" });
    expect(await stored(client, "t.a")).toEqual([]);
  });

  test("gets the failure of the transform as an error with advice to try again", async () => {
    await using node = await start();
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url, { format });
    const { code, name, message } = await refusalOf(client.publish("t.a", "fail"));
    expect({ code, name, message }).toEqual({
      code: 4110,
      name: "transform_failed",
      message: "it failed",
    });
    expect(await stored(client, "t.a")).toEqual([]);
  });
});

test("an acknowledgement comes after the transform, and one that was not asked for not at all", async () => {
  await using node = await start();
  const { http, runner } = node;
  await using client = await ProtocolClient.connect(http.url);
  runner.hold();
  client.post("t.a", "quiet");
  const acknowledged = client.publish("t.a", "loud");
  await client.ping();
  // Both have been read, and neither is stored.
  expect(runner.waitingCount).toBe(2);
  expect(await stored(client, "t.a")).toEqual([]);
  runner.release();
  expect(await acknowledged).toMatchObject({ offset: 2 });
  const ids = client.frames.flatMap((frame) => (frame.type === "ok" ? [frame.id] : []));
  expect(ids).not.toContain(0);
});

test("a failure is told even where no reply was asked for", async () => {
  await using node = await start();
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  client.post("t.a", "fail");
  expect(await client.frame("error")).toMatchObject({ id: 0, code: 4110 });
});

describe("emissions", () => {
  test("are stored before the publisher is acknowledged, and go through no transform", async () => {
    await using node = await start();
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url);
    await client.publish("t.a", "emit t.b=low,u.c=other");
    expect(await stored(client, "t.b")).toEqual(["low"]);
    expect(await stored(client, "u.c")).toEqual(["other"]);
    expect(await stored(client, "t.a")).toEqual(["emit t.b=low,u.c=other"]);
    expect(await client.publish("t.a", "only t.b=next")).toEqual({ offset: 0, epoch: "" });
    expect(await stored(client, "t.b")).toEqual(["low", "next"]);
  });

  test("carry who published and the trace, and nothing else of the publication", async () => {
    await using node = await start();
    const { http } = node;
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await http.broker.api.publish("t.a", new TextEncoder().encode("emit u.b=x"), {
      user: "ann",
      traceparent,
      key: "k",
      headers: new Map([["h", "v"]]),
    });
    const { publications } = await http.broker.api.history("u.b", { limit: 1, since: null });
    expect(publications[0]?.meta).toEqual({
      ...EMPTY_META,
      user: "ann",
      timeMs: expect.any(Number) as number,
      // The trace goes on, by way of this broker.
      traceparent: expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-/) as string,
      tracestate: publications[0]?.meta?.tracestate ?? null,
    });
  });

  test.each([
    ["an invalid channel", "emit u.b=x,u.*=y"],
    ["a channel the binding does not allow", "emit u.b=x,secret=y"],
    ["too large a payload", `emit u.b=x,small.c=${"y".repeat(101)}`],
  ])("to %s are refused with all the publication made", async (_name, text) => {
    await using node = await start({
      namespaces: [{ pattern: "small.>", maxPayloadBytes: 100 }],
    });
    const { http } = node;
    await using client = await ProtocolClient.connect(http.url);
    expect(await refusalOf(client.publish("t.a", text))).toMatchObject({ code: 4019 });
    expect(await refusalOf(client.publish("t.a", text.replace("emit", "only")))).toMatchObject({
      code: 4019,
    });
    expect(await stored(client, "t.a")).toEqual([]);
    expect(await stored(client, "u.b")).toEqual([]);
    expect(await stored(client, "secret")).toEqual([]);
  });
});

test("a payload that a transform made too large is a failure, by the channel's own bound", async () => {
  await using node = await start({ namespaces: [{ pattern: "t.small", maxPayloadBytes: 100 }] });
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  expect(await client.publish("t.small", "grow 100")).toMatchObject({ offset: 1 });
  const { code, message } = await refusalOf(client.publish("t.small", "grow 101"));
  expect(code).toBe(4019);
  expect(message).toContain("101 bytes");
  expect(await client.publish("t.a", "grow 101")).toMatchObject({ offset: 1 });
});

test("a dead letter has the original bytes and why, and the publisher's offset is 0", async () => {
  await using node = await start();
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  expect(await client.publish("t.a", "dead letter", { id: "1" })).toEqual({ offset: 0, epoch: "" });
  // Published again, it is not stored again.
  expect(await client.publish("t.a", "dead letter", { id: "1" })).toEqual({ offset: 0, epoch: "" });
  const { publications } = await client.history("dead.t", 10);
  expect(publications).toHaveLength(1);
  const [letter] = publications;
  expect(new TextDecoder().decode(letter?.payload)).toBe("dead letter");
  expect(letter?.meta?.headers?.get("channel")).toBe("t.a");
  // Too long a header does not keep it from being stored.
  expect(letter?.meta?.headers?.get("long")).toMatch(/^x{1024}$/);
  expect(await stored(client, "t.a")).toEqual([]);
});

test("a publication id makes a publish safe to repeat: what it made is stored once", async () => {
  await using node = await start();
  const { http, runner } = node;
  await using client = await ProtocolClient.connect(http.url);
  runner.hold();
  const text = "emit u.b=x,u.c=y";
  const first = [
    client.publish("t.a", text, { id: "1" }),
    client.publish("t.a", text, { id: "1" }),
  ];
  await client.ping();
  runner.release();
  const positions = await Promise.all(first);
  positions.push(await client.publish("t.a", text, { id: "1" }));
  expect(new Set(positions.map(({ offset }) => offset))).toEqual(new Set([1]));
  expect(await stored(client, "t.a")).toEqual([text]);
  expect(await stored(client, "u.b")).toEqual(["x"]);
  // The same id on another channel is another publication.
  await client.publish("t.other", text, { id: "1" });
  expect(await stored(client, "u.b")).toEqual(["x", "x"]);
  expect(await stored(client, "u.c")).toEqual(["y", "y"]);
});

describe("what may be in transforms at once", () => {
  test("is bounded for a connection, and others are not concerned", async () => {
    await using node = await start({ transformPendingPerConnection: 2 });
    const { http, runner } = node;
    await using client = await ProtocolClient.connect(http.url);
    await using other = await ProtocolClient.connect(http.url);
    runner.hold();
    const taken = [client.publish("t.a", "1"), client.publish("t.b", "2")];
    expect(await refusalOf(client.publish("t.a", "3"))).toMatchObject({
      code: 4103,
      retryAfterMs: expect.any(Number),
    });
    // Channels without transforms are open.
    expect(await client.publish("u.a", "3")).toMatchObject({ offset: 1 });
    taken.push(other.publish("t.a", "4"));
    await other.ping();
    runner.release();
    await Promise.all(taken);
    expect(await stored(client, "t.a")).toEqual(["1", "4"]);
    // There is room again.
    expect(await client.publish("t.a", "5")).toMatchObject({ offset: 3 });
  });

  test.each([
    ["publications", { transformPending: 2 }, 10],
    ["bytes", { transformPendingBytes: 128 * 1024 }, 60_000],
  ])("is bounded for the node in %s", async (_name, options, size) => {
    await using node = await start(options);
    const { http, runner } = node;
    await using client = await ProtocolClient.connect(http.url);
    runner.hold();
    const payload = "x".repeat(size);
    const taken = [client.publish("t.a", payload), client.publish("t.b", payload)];
    const refused = await refusalOf(client.publish("t.a", payload));
    expect(refused).toMatchObject({ code: 4104, retryAfterMs: expect.any(Number) });
    const response = await http.post("/v1/publish", { channel: "t.a", payload });
    expect(response.status).toBe(503);
    runner.release();
    await Promise.all(taken);
    expect(await client.publish("t.a", payload)).toMatchObject({ offset: 2 });
  });

  test("the runner's own refusal reaches the publisher", async () => {
    await using node = await start();
    const { http, runner } = node;
    await using client = await ProtocolClient.connect(http.url);
    runner.refusal = { code: "overloaded", message: "the lane is full", retryAfterMs: 7 };
    expect(await refusalOf(client.publish("t.a", "1"))).toMatchObject({
      code: 4104,
      message: "the lane is full",
      retryAfterMs: 7,
    });
    runner.refusal = null;
    expect(await client.publish("t.a", "1")).toMatchObject({ offset: 1 });
  });
});

test("what settling trips over is told to one publisher, logged, and leaves the others alone", async () => {
  await using node = await start({ maxChannels: 2 });
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  // Not even a channel can be opened any more.
  await client.publish("t.a", "1");
  await client.publish("u.a", "1");
  expect(await refusalOf(client.publish("t.a", "emit u.new=x"))).toMatchObject({ code: 4104 });
  expect(await client.publish("t.a", "2")).toMatchObject({ offset: 2 });
});

test("a publisher that has gone away is still published", async () => {
  await using node = await start();
  const { http, runner } = node;
  await using subscriber = await ProtocolClient.connect(http.url);
  await subscriber.subscribe("t.a");
  const client = await ProtocolClient.connect(http.url);
  runner.hold();
  const sent = client.publish("t.a", "last words").catch((error: unknown) => error);
  await client.ping();
  client.terminate();
  await client.untilClosed();
  await sent;
  await waitUntil("the broker has seen it", () => http.broker.api.health().connections === 1);
  runner.release();
  await subscriber.untilPublications(1);
  expect(subscriber.texts("t.a")).toEqual(["LAST WORDS"]);
});

test("a route is asked for once, until the runner says that routes have changed", async () => {
  await using node = await start();
  const { http, runner } = node;
  await using client = await ProtocolClient.connect(http.url);
  for (const channel of ["t.a", "u.a"]) {
    const before = runner.routeCount;
    await client.publish(channel, "1");
    await client.publish(channel, "2");
    expect(runner.routeCount - before).toBe(1);
  }
  runner.hold();
  const under = client.publish("t.a", "three");
  await client.ping();
  runner.remove("obey");
  // What came while it was bound is still in its lane: what comes after goes through it too.
  const behind = client.publish("t.a", "four");
  await client.ping();
  expect(runner.waitingCount).toBe(2);
  runner.release();
  await Promise.all([under, behind]);
  expect(await stored(client, "t.a")).toEqual(["1", "2", "THREE", "FOUR"]);
  runner.generation++;
  await client.publish("t.a", "five");
  expect((await stored(client, "t.a")).at(-1)).toBe("five");
});

describe("shutting down", () => {
  test("a drain waits for transforms, so that publishers learn what became of their publications", async () => {
    await using node = await start({ drainMs: 5000 });
    const { http, runner } = node;
    await using client = await ProtocolClient.connect(http.url);
    runner.hold();
    const published = client.publish("t.a", "1");
    await client.ping();
    const drained = http.broker.drain();
    await client.frame("drain");
    runner.release();
    expect(await published).toMatchObject({ offset: 1 });
    expect(await client.untilClosed()).toMatchObject({ code: 4200 });
    await drained;
  });

  test("a stop gives what is in transforms its place before the engine ends", async () => {
    const { http, runner } = await start();
    const client = await ProtocolClient.connect(http.url);
    runner.hold();
    const published = client.publish("t.a", "1").catch((error: unknown) => error);
    await client.ping();
    const { stats } = http.broker.api;
    expect(stats.publications).toBe(0);
    await http.broker.stop();
    expect(stats.publications).toBe(1);
    await published;
  });

  test("a stop answers requests of the server API that wait for transforms", async () => {
    const { http, runner } = await start();
    runner.hold();
    const publications = [1, 2, 3].map((i) => ({ channel: "t.a", payload: `${i}` }));
    const answers = [
      answered(http.post("/v1/publish", { channel: "t.a", payload: "0" })),
      answered(http.post("/v1/batch", { publications })),
    ];
    await waitUntil("both are read", () => runner.waitingCount === 4);
    await http.broker.stop();
    expect(await Promise.all(answers)).toMatchObject([
      { status: 200, body: { offset: expect.any(Number) } },
      { status: 200, body: { results: publications.map(() => ({ offset: expect.any(Number) })) } },
    ]);
  });

  test("a drain that is cut short waits for nothing", async () => {
    const { http, runner } = await start({ drainMs: 600_000 });
    const client = await ProtocolClient.connect(http.url);
    runner.hold();
    const published = client.publish("t.a", "1").catch((error: unknown) => error);
    await client.ping();
    const drained = http.broker.drain();
    await client.frame("drain");
    await http.broker.drain();
    await drained;
    expect(await client.untilClosed()).toMatchObject({ code: 4200 });
    expect(http.broker.api.stats.publications).toBe(0);
    await published;
  });
});

test("frames of one message reach the transform in their order, and so do those of several messages", async () => {
  await using node = await start();
  const { http } = node;
  await using client = await ProtocolClient.connect(http.url);
  const frames = Array.from({ length: 50 }, (_, i) =>
    publishFrame(client.nextId(), "t.a", `n${i}`),
  );
  client.send(...frames.slice(0, 25));
  for (const frame of frames.slice(25)) client.send(frame);
  await client.published(frames.at(-1)?.[1] as number);
  expect(await stored(client, "t.a")).toEqual(Array.from({ length: 50 }, (_, i) => `N${i}`));
});

test("a new lane is shown the newest of a channel's history, oldest first", async () => {
  await using node = await start({ namespaces: [{ pattern: "t.none", historySize: 0 }] });
  const { http, runner } = node;
  await using client = await ProtocolClient.connect(http.url);
  for (const text of ["a", "b", "c"]) await client.publish("t.a", text);
  await client.publish("t.none", "a");
  const texts = (await runner.host.history("t.a", 2)).map((one) => new TextDecoder().decode(one));
  expect(texts).toEqual(["B", "C"]);
  expect(await runner.host.history("t.none", 2)).toEqual([]);
});
