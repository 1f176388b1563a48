import { describe, expect, test } from "bun:test";

import { startBroker } from "../support/broker.ts";
import { ProtocolClient } from "../support/protocol-client.ts";
import { rejection } from "../support/rejection.ts";
import { signToken, TOKEN_SECRET } from "../support/tokens.ts";

const ENTER = 1;
const WATCH = 2;

/** Joins and leaves a client was told of, as short words. */
function told(client: ProtocolClient): string[] {
  return client.frames.flatMap((frame) =>
    frame.type === "join" || frame.type === "leave"
      ? [`${frame.type} ${frame.user ?? frame.connection}`]
      : [],
  );
}

describe("presence", () => {
  test("those who enter are listed and announced to those who watch, and those who leave as well", async () => {
    await using node = await startBroker();
    await using watcher = await ProtocolClient.connect(node.url);
    await using entering = await ProtocolClient.connect(node.url);
    await using both = await ProtocolClient.connect(node.url);
    await using neither = await ProtocolClient.connect(node.url);
    const ids = [entering.connectionId, both.connectionId];
    const { channelId } = await watcher.subscribe("a", { flags: WATCH });
    await neither.subscribe("a");
    await entering.subscribe("a", { flags: ENTER });
    await both.subscribe("a", { flags: ENTER | WATCH });
    await watcher.until(() => told(watcher).length === 2);
    expect(told(watcher)).toEqual(ids.map((id) => `join ${id}`));
    expect(await watcher.frame("join")).toMatchObject({ channelId, user: null });
    const present = await neither.presence("a");
    expect(present.map(({ connection }) => connection).toSorted()).toEqual(ids.toSorted());
    // With both flags one hears of one's own join [P-7.5], and not of one's own leave.
    await both.until(() => told(both).length === 1);
    await both.unsubscribe("a");
    await entering.unsubscribe("a");
    await watcher.until(() => told(watcher).length === 4);
    expect(told(watcher).slice(2)).toEqual(ids.toReversed().map((id) => `leave ${id}`));
    expect(await watcher.presence("a")).toEqual([]);
    await both.ping();
    expect(told(both)).toEqual([`join ${both.connectionId}`]);
    await neither.ping();
    expect(told(neither)).toEqual([]);
    expect(told(entering)).toEqual([]);
  });

  test("who is cut off leaves, from every channel", async () => {
    await using node = await startBroker();
    await using watcher = await ProtocolClient.connect(node.url);
    await using gone = await ProtocolClient.connect(node.url);
    for (const channel of ["a", "b"]) await watcher.subscribe(channel, { flags: WATCH });
    for (const channel of ["a", "b"]) await gone.subscribe(channel, { flags: ENTER });
    gone.terminate();
    await watcher.until(() => told(watcher).length === 4);
    expect(told(watcher).slice(2)).toEqual([
      `leave ${gone.connectionId}`,
      `leave ${gone.connectionId}`,
    ]);
    expect(await watcher.presence("a")).toEqual([]);
    expect(await watcher.presence("b")).toEqual([]);
  });

  test("two connections of one user are two members, and each leaves by itself", async () => {
    await using node = await startBroker({ tokenSecret: TOKEN_SECRET });
    const token = await signToken("ada", { subscribe: [">"], presence: [">"] });
    await using watcher = await ProtocolClient.connect(node.url, {
      token: await signToken("watcher", { subscribe: [">"], presence: [">"] }),
    });
    await using first = await ProtocolClient.connect(node.url, { token });
    await using second = await ProtocolClient.connect(node.url, { token });
    await watcher.subscribe("a", { flags: WATCH });
    for (const client of [first, second]) await client.subscribe("a", { flags: ENTER });
    const members = await watcher.presence("a");
    expect(members.map(({ user }) => user)).toEqual(["ada", "ada"]);
    await first.close();
    await watcher.until(() => told(watcher).length === 3);
    expect(told(watcher)).toEqual(["join ada", "join ada", "leave ada"]);
    expect(await watcher.presence("a")).toEqual([{ connection: second.connectionId, user: "ada" }]);
  });

  test("by pattern, joins and leaves come for channels that were announced", async () => {
    await using node = await startBroker();
    await using watcher = await ProtocolClient.connect(node.url);
    await using other = await ProtocolClient.connect(node.url);
    await watcher.subscribe("a.*", { flags: WATCH });
    await other.subscribe("a.quiet", { flags: ENTER });
    await other.publish("a.b", "x");
    await other.subscribe("a.b", { flags: ENTER });
    await other.unsubscribe("a.b");
    await watcher.until(() => told(watcher).length === 2);
    expect(told(watcher)).toEqual([`join ${other.connectionId}`, `leave ${other.connectionId}`]);
    const { channelId } = await watcher.frame("channel", ({ name }) => name === "a.b");
    expect((await watcher.frame("leave")).channelId).toBe(channelId);
  });

  test("a pattern that watches does so for a channel that is subscribed to by name as well", async () => {
    await using node = await startBroker();
    await using watcher = await ProtocolClient.connect(node.url);
    await using other = await ProtocolClient.connect(node.url);
    await watcher.subscribe("a.*", { flags: WATCH });
    await watcher.subscribe("a.>", { flags: WATCH });
    await watcher.subscribe("a.b");
    await other.subscribe("a.b", { flags: ENTER });
    await other.unsubscribe("a.b");
    await watcher.until(() => told(watcher).length === 2);
    expect(told(watcher)).toEqual([`join ${other.connectionId}`, `leave ${other.connectionId}`]);
  });

  test("where it is off it is refused, and nothing else is", async () => {
    await using node = await startBroker({ namespaces: [{ pattern: "off.>", presence: false }] });
    await using client = await ProtocolClient.connect(node.url);
    for (const flags of [ENTER, WATCH]) {
      const refused = await rejection(client.subscribe("off.a", { flags }));
      expect(refused).toMatchObject({ code: 4016 });
    }
    expect(await rejection(client.presence("off.a"))).toMatchObject({ code: 4016 });
    const entered = await rejection(client.subscribe("off.*", { flags: ENTER }));
    expect(entered).toMatchObject({ code: 4009 });
    await client.subscribe("off.a");
    await client.subscribe("on.a", { flags: ENTER });
    expect(await client.presence("on.a")).toHaveLength(1);
    expect(node.broker.api.stats.subscriptionsOpen).toBe(2);
  });
});
