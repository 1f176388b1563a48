import { expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import type { ClientEvents } from "../../client/index.ts";
import { once, refusal } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

/* Closing a client, at any moment of its life. */

test("close sends what was published in this tick, and waits for the answers", async () => {
  await using peer = new ScriptedPeer();
  const client = new TickwireClient(peer.url);
  const connection = await peer.accepted();
  await client.ready();
  const published = client.publish("a", Uint8Array.of(1));
  client.send("a", Uint8Array.of(2));
  const closing = client.close();
  expect(await refusal(client.publish("a", 3))).toMatchObject({ code: "closed" });
  const first = await connection.next("publish");
  expect((await connection.next("publish")).payload).toEqual(Uint8Array.of(2));
  const closed = once(client, "closed");
  connection.ok(first.id, [9, "e"]);
  expect(await published).toEqual({ offset: 9, epoch: "e" });
  expect(await closed).toEqual({ code: 1000, reason: "", terminal: false });
  await closing;
  expect(client.state).toBe("closed");
  expect(connection.closed?.code).toBe(1000);
  expect(client.close()).toBe(closing);
});

test("close does not wait for ever for an answer", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  const client = new TickwireClient(peer.url, { clock });
  const connection = await peer.accepted();
  await client.ready();
  const unanswered = refusal(client.publish("a", 1));
  await connection.next("publish");
  const closing = client.close();
  clock.advance(2000);
  expect(await unanswered).toMatchObject({ code: "closed" });
  await closing;
  expect(clock.dueInMs).toEqual([]);
});

test("close at any other time ends it too, and leaves no timer", async () => {
  await using peer = new ScriptedPeer();
  const moments: ((client: TickwireClient) => Promise<unknown>)[] = [
    async () => {},
    async () => peer.connection(),
    async () => (await peer.connection()).next("connect"),
    async (client) => {
      const lost = once(client, "reconnecting");
      (await peer.connection()).cut();
      await lost;
    },
  ];
  for (const moment of moments) {
    const clock = new ManualClock();
    const client = new TickwireClient(peer.url, { clock });
    const waiting = refusal(client.ready());
    await moment(client);
    await client.close();
    expect(await waiting).toMatchObject({ code: "closed" });
    expect(client.state).toBe("closed");
    expect(clock.dueInMs).toEqual([]);
  }
});

test("a client closed by its own listener stays closed", async () => {
  await using peer = new ScriptedPeer();
  for (const name of ["connecting", "connected", "reconnecting"] as const) {
    const client = new TickwireClient(peer.url, { random: () => 0 });
    const closed = new Promise<ClientEvents["closed"]>((resolve) => {
      client.on("closed", resolve);
    });
    client.on(name, () => void client.close());
    if (name !== "connecting") {
      const connection = await peer.accepted();
      if (name === "reconnecting") connection.cut();
    }
    expect(await closed).toMatchObject({ code: 1000 });
    await client.close();
    expect(client.state).toBe("closed");
  }
});
