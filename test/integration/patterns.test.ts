import { describe, expect, test } from "bun:test";

import { patternMatches } from "../../protocol/channel-name.ts";
import { startBroker } from "../support/broker.ts";
import { checkContiguous } from "../support/history-checker.ts";
import { ProtocolClient } from "../support/protocol-client.ts";
import { announceSeed, Random } from "../support/random.ts";
import { rejection } from "../support/rejection.ts";

const seed = announceSeed("patterns");

describe("a pattern subscription", () => {
  test("gets the publications of every channel that matches, also of ones that are new, and no other", async () => {
    await using node = await startBroker({ maxConnectionsPerUser: 0, maxSubscriptions: 128 });
    const random = new Random(seed);
    const segments = ["a", "b", "c"];
    const nameOf = (): string =>
      Array.from({ length: random.between(1, 4) }, () => random.pick(segments)).join(".");
    const patternOf = (): string => {
      const parts = nameOf()
        .split(".")
        .map((segment) => (random.chance(0.4) ? "*" : segment));
      return random.chance(0.4) ? [...parts, ">"].join(".") : parts.join(".");
    };
    const subscribers: { client: ProtocolClient; names: Set<string> }[] = [];
    for (let i = 0; i < 10; i++) {
      const client = await ProtocolClient.connect(node.url, {
        format: i % 3 === 0 ? "json" : "msgpack",
      });
      const names = new Set(Array.from({ length: 12 }, patternOf));
      for (const name of names) await client.subscribe(name);
      subscribers.push({ client, names });
    }
    const publisher = await ProtocolClient.connect(node.url);
    const published = Array.from({ length: 600 }, (_, i) => ({ name: nameOf(), text: String(i) }));
    await Promise.all(published.map(({ name, text }) => publisher.publish(name, text)));
    for (const { client, names } of subscribers) {
      const expected = published.filter(({ name }) =>
        [...names].some((pattern) => patternMatches(pattern, name)),
      );
      await client.untilPublications(expected.length);
      await client.ping();
      const seen = client.publications.map(({ channelId, payload }) => ({
        name: client.channelNames.get(channelId),
        text: new TextDecoder().decode(payload),
      }));
      expect(seen.toSorted((a, b) => Number(a.text) - Number(b.text))).toEqual(expected);
    }
  });

  test("learns a channel's number, name and position once, before its first publication", async () => {
    await using node = await startBroker();
    await using client = await ProtocolClient.connect(node.url);
    await using publisher = await ProtocolClient.connect(node.url);
    for (let i = 1; i <= 3; i++) await publisher.publish("a.b", `before ${i}`);
    expect(await client.subscribe("a.*")).toEqual({
      channelId: 0,
      epoch: "",
      offset: 0,
      recovered: false,
      count: 0,
    });
    const { epoch } = await publisher.publish("a.b", "4");
    await publisher.publish("a.b", "5");
    await publisher.publish("a.c", "1");
    await client.untilPublications(3);
    const announced = client.frames.filter((frame) => frame.type === "channel");
    expect(announced).toMatchObject([
      { name: "a.b", epoch, offset: 3 },
      { name: "a.c", offset: 0 },
    ]);
    expect(client.texts("a.b")).toEqual(["4", "5"]);
    const first = client.frames.findIndex(({ type }) => type === "publication");
    expect(client.frames[first - 1]).toBe(announced[0]);
  });

  test("catches up by history, channel by channel, without a hole or a double", async () => {
    await using node = await startBroker();
    await using publisher = await ProtocolClient.connect(node.url);
    const first = await ProtocolClient.connect(node.url);
    await first.subscribe("a.*");
    for (let i = 1; i <= 5; i++) await publisher.publish("a.b", String(i));
    await first.untilPublications(5);
    const { epoch } = await first.frame("channel");
    await first.close();
    for (let i = 6; i <= 9; i++) await publisher.publish("a.b", String(i));
    await using second = await ProtocolClient.connect(node.url);
    await second.subscribe("a.*");
    const publishing = Array.from({ length: 20 }, (_, i) => publisher.publish("a.b", `${i + 10}`));
    const missed = await second.history("a.b", 1000, { epoch, offset: 5 });
    await Promise.all(publishing);
    await second.until(() => second.publications.at(-1)?.offset === 29);
    expect(missed).toMatchObject({ epoch, complete: true });
    const newest = missed.publications.at(-1)?.offset ?? 5;
    const live = second.publications.filter(({ offset }) => offset > newest);
    checkContiguous([...missed.publications, ...live], 5);
  });

  test("cannot ask for recovery or enter presence, and a publish needs a name", async () => {
    await using node = await startBroker();
    await using client = await ProtocolClient.connect(node.url);
    const position = { epoch: "e", offset: 1 };
    for (const options of [{ recover: 1 }, { recover: position }, { flags: 1 }]) {
      expect(await rejection(client.subscribe("a.>", options))).toMatchObject({ code: 4009 });
    }
    for (const name of ["a.*", ">", "a..b", "", "a b", "a.$x", "a*", ">.a", "a".repeat(256)]) {
      const code = name.length > 255 ? 4009 : 4007;
      expect(await rejection(client.publish(name, "x"))).toMatchObject({ code });
      expect(await rejection(client.history(name, 1))).toMatchObject({ code });
      expect(await rejection(client.presence(name))).toMatchObject({ code });
    }
    for (const name of ["a..b", "", "a b", "a*", ">.a"]) {
      expect(await rejection(client.subscribe(name))).toMatchObject({ code: 4007 });
    }
    expect(node.broker.api.stats.subscriptionsOpen).toBe(0);
    await client.subscribe(">");
    await client.publish("a", "x");
    await client.untilPublications(1);
  });
});
