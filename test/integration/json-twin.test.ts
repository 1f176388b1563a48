import { expect, test } from "bun:test";

import { encodeConnect } from "../../protocol/messages/connect.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { startBroker } from "../support/broker.ts";
import { ProtocolClient } from "../support/protocol-client.ts";
import { ALL, signToken, TOKEN_SECRET } from "../support/tokens.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

type Format = "msgpack" | "json";

const PAYLOADS = ["", "text", "ünïcödé \u{1F600}", '"quoted"\n\tand broken', "\uFEFFmarked"];
const BINARY = Uint8Array.from({ length: 256 }, (_, i) => i);

/** Names that differ from run to run are replaced by the order in which they first come up. */
class Aliases {
  readonly #names = new Map<string, string>();

  of(kind: string, name: string): string {
    const known = this.#names.get(name) ?? `${kind} ${this.#names.size}`;
    this.#names.set(name, known);
    return known;
  }

  /** The frame with nothing in it that depends on the run or, undecoded, on the format. */
  applied(frame: ServerFrame): unknown {
    switch (frame.type) {
      case "ok":
        return { type: "ok", id: frame.id };
      case "connected":
      case "join":
      case "leave":
        return { ...frame, connection: this.of("connection", frame.connection) };
      case "channel":
        return { ...frame, epoch: this.of("epoch", frame.epoch) };
      default:
        return frame;
    }
  }
}

/** Every command, reply and push there is, one after the other; returns all that two clients were sent. */
async function scenario(format: Format): Promise<unknown[]> {
  const clock = new VirtualClock();
  await using node = await startBroker({
    clock,
    tokenSecret: TOKEN_SECRET,
    node: "twin",
    maxPayloadBytes: 1000,
    maxSubscriptions: 5,
    commandRate: 100,
    historySize: 10,
  });
  const sign = (sub: string, grants = ALL): Promise<string> =>
    signToken(sub, grants, { nowMs: clock.wallMs(), expS: 600 });
  const token = await sign("ada");
  const aliases = new Aliases();
  const results: unknown[] = [];
  const noted = async (result: Promise<unknown>): Promise<void> => {
    results.push(await result.catch((error: unknown) => String(error)));
  };
  const ada = await ProtocolClient.connect(node.url, { format, token, name: "twin test" });
  const bob = await ProtocolClient.connect(node.url, { format, token: await sign("bob") });

  await bob.subscribe("a.*", { flags: 2 });
  for (const payload of [...PAYLOADS, BINARY]) await ada.publish("a.b", payload);
  await ada.publish("a.b", "with meta", {
    id: "one",
    key: "k",
    headers: new Map([
      ["b64", "no payload"],
      ["lang", "ü"],
    ]),
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: "a=b",
  });
  await ada.publish("a.b", "again", { id: "one" });
  ada.post("a.b", "no reply");
  const { epoch, ...position } = await ada.subscribe("a.b", { recover: 3, flags: 3 });
  results.push(position);
  const history = await ada.history("a.b", 100);
  results.push({ ...history, epoch: aliases.of("epoch", history.epoch) });
  await noted(bob.subscribe("a.b", { recover: { epoch, offset: 2 } }).then(({ count }) => count));
  await noted(bob.subscribe("a.c", { recover: { epoch: "other", offset: 2 } }).then(() => ""));
  results.push((await ada.presence("a.b")).map(({ user }) => user));
  await ada.ping(123_456_789);
  ada.send([10, 1, 2, clock.wallMs()], [4, 0, "a.b", "as text"], [5, 0, "a.b", [null], BINARY]);

  // Each kind of error.
  await noted(ada.subscribe("a.b"));
  await noted(ada.unsubscribe("never"));
  await noted(ada.publish("not a name", "x"));
  await noted(ada.publish("a.b", new Uint8Array(1001)));
  await noted(ada.subscribe("a.>", { recover: 1 }));
  await noted(ada.refresh("nonsense"));
  for (const name of ["s.1", "s.2", "s.3", "s.4", "s.5"])
    await noted(ada.subscribe(name).then(({ channelId }) => channelId));
  for (const frame of [
    [99, 7],
    [2, 8, 5],
    [4, 9, "a.b", 1],
    [7, 10, "a.b", -1],
  ] as const) {
    ada.send(frame);
  }
  ada.send(encodeConnect({ id: 11, version: 1, token: null, client: null }));
  await ada.ping();

  await ada.unsubscribe("a.b");
  await bob.frame("leave");
  await bob.refresh(await sign("bob", { subscribe: ["a.b"], publish: ["x"], presence: [] }));
  await noted(bob.publish("a.b", "not any more"));
  clock.advance(571_000);
  node.broker.sweep();
  await ada.frame("token-expiring");
  await ada.refresh(await sign("ada"));
  for (let i = 0; i < 210; i++) ada.send([6, 0, i]);
  await ada.frame("error", ({ code }) => code === 4103);
  const draining = node.broker.drain(0);
  await Promise.all([ada.untilClosed(), bob.untilClosed()]);
  await draining;
  return [
    results,
    [ada, bob].map((client) => client.frames.map((frame) => aliases.applied(frame))),
    [ada.closed, bob.closed],
  ];
}

test("what a client is sent is the same in both formats, frame by frame", async () => {
  const asJson = await scenario("json");
  const asMsgpack = await scenario("msgpack");
  expect(asJson).toEqual(asMsgpack);
  const [, told, closes] = asMsgpack as [unknown, ServerFrame[][], { code: number }[]];
  const types = new Set(told.flat().map(({ type }) => type));
  // The scenario would show nothing about what it does not bring about.
  expect([...types].toSorted()).toEqual([
    "channel",
    "connected",
    "drain",
    "error",
    "join",
    "leave",
    "ok",
    "pong",
    "publication",
    "token-expiring",
    "unsubscribed",
  ]);
  expect(closes.map(({ code }) => code)).toEqual([4200, 4200]);
});
