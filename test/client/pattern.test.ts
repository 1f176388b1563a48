import { expect, test } from "bun:test";

import { historyResult } from "../../protocol/messages/history.ts";
import {
  answerSubscribe,
  connectedPair,
  Deliveries,
  patternFrame,
  publications,
} from "../support/subscribed-client.ts";

/* Subscriptions by pattern, on one connection. */

const NO_RECOVERY = { type: "none" } as const;

test("a pattern gets every channel it matches, each by its name", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("m.*", {}, deliveries.take);
  const { id, channel } = await pair.connection.next("subscribe");
  expect(channel).toBe("m.*");
  pair.connection.send(
    patternFrame(id),
    [37, 7, "m.xrp", "e", 10],
    ...publications(7, 11),
    [37, 8, "m.btc", "f", 0],
    ...publications(8, 1),
    ...publications(7, 12),
  );
  await subscription.ready();
  expect(await deliveries.count(3)).toEqual(["m.xrp:11", "m.btc:1", "m.xrp:12"]);
});

test("a publication that matches several subscriptions comes once and goes to each", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const exact = new Deliveries();
  const star = new Deliveries();
  const rest = new Deliveries();
  client.subscribe("m.a", {}, exact.take);
  const patterns = [client.subscribe("m.*", {}, star.take), client.subscribe("m.>", {}, rest.take)];
  await answerSubscribe(connection, { channelId: 3 });
  for (let i = 0; i < 2; i++)
    connection.send(patternFrame((await connection.next("subscribe")).id));
  connection.send(...publications(3, 1), [37, 4, "m.b", "e", 0], ...publications(4, 1));
  expect(await rest.count(2)).toEqual(["m.a:1", "m.b:1"]);
  expect(star.got).toEqual(["m.a:1", "m.b:1"]);
  expect(exact.got).toEqual(["m.a:1"]);
  patterns[0]?.unsubscribe();
  await connection.next("unsubscribe");
  connection.send(...publications(3, 2));
  await rest.count(3);
  expect(star.got.length).toBe(2);
  expect(exact.got).toEqual(["m.a:1", "m.a:2"]);
});

test("a name under a pattern that is followed already takes nothing twice", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const pattern = new Deliveries();
  client.subscribe("m.*", {}, pattern.take);
  connection.send(
    patternFrame((await connection.next("subscribe")).id),
    [37, 7, "m.a", "e", 3],
    ...publications(7, 4),
  );
  await pattern.count(1);
  const exact = new Deliveries();
  client.subscribe("m.a", { recover: { last: 1 } }, exact.take);
  const { recover } = await answerSubscribe(
    connection,
    { channelId: 7, offset: 5 },
    ...publications(7, 5),
  );
  expect(recover).toEqual(NO_RECOVERY);
  const { id } = await connection.next("history");
  const items = [{ offset: 5, payload: Uint8Array.of(5), meta: null }];
  connection.ok(id, historyResult({ epoch: "e", offset: 5, complete: true, publications: items }));
  connection.send(...publications(7, 6));
  expect(await exact.count(2)).toEqual(["m.a:5", "m.a:6"]);
  expect(await pattern.count(3)).toEqual(["m.a:4", "m.a:5", "m.a:6"]);
});
