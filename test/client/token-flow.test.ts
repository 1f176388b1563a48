import { expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import { Code } from "../../protocol/codes.ts";
import { encodeTokenExpiring } from "../../protocol/messages/refresh.ts";
import { once, refusal } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

/* Access tokens over the life of a client: the first, its refresh, its refusal. */

function numbered(): () => string {
  let count = 0;
  return () => `token ${++count}`;
}

test("a token that is about to expire is replaced in band", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url, { token: numbered(), random: () => 0 });
  const connection = await peer.connection();
  await connection.accept({ tokenExpiresInMs: 60_000 });
  await client.ready();
  expect(connection.messages[0]).toMatchObject([{ token: "token 1" }]);
  connection.send(encodeTokenExpiring(30_000));
  const { id, token } = await connection.next("refresh");
  expect(token).toBe("token 2");
  connection.ok(id, [3_600_000]);
  // The new token is the one for the next connection.
  connection.cut();
  const next = await peer.connection();
  expect((await next.next("connect")).token).toBe("token 2");
});

test("a refresh that is refused is an error event, and the next connection asks for another", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url, { token: numbered(), random: () => 0 });
  const connection = await peer.accepted({ tokenExpiresInMs: 60_000 });
  const error = once(client, "error");
  connection.send(encodeTokenExpiring(30_000));
  connection.fail((await connection.next("refresh")).id, Code.forbidden);
  expect(await error).toMatchObject({ code: "forbidden" });
  expect(client.state).toBe("connected");
  connection.close(Code.tokenExpired.code);
  const next = await peer.connection();
  expect((await next.next("connect")).token).toBe("token 3");
});

test("without a function an expiring token is left to expire", async () => {
  await using peer = new ScriptedPeer();
  const client = new TickwireClient(peer.url, { token: "fixed" });
  const connection = await peer.accepted();
  connection.send(encodeTokenExpiring(30_000));
  const closed = once(client, "closed");
  connection.close(Code.tokenExpired.code);
  expect(await closed).toMatchObject({ code: 4109, terminal: true });
  expect(connection.untaken).toEqual([]);
});

test("a refused token is replaced at once, three times in a row at most", async () => {
  await using peer = new ScriptedPeer();
  const client = new TickwireClient(peer.url, { token: numbered(), random: () => 0 });
  const closed = once(client, "closed");
  for (let i = 1; i <= 4; i++) {
    const connection = await peer.connection();
    const { id, token } = await connection.next("connect");
    expect(token).toBe(`token ${i}`);
    connection.fail(id, Code.unauthorized);
  }
  expect(await closed).toMatchObject({ code: 4001, terminal: true });
  expect(peer.connectionCount).toBe(4);
});

test("a revoked token ends it, function or not", async () => {
  await using peer = new ScriptedPeer();
  const client = new TickwireClient(peer.url, { token: numbered(), random: () => 0 });
  const connection = await peer.accepted();
  const closed = once(client, "closed");
  connection.close(Code.revoked.code);
  expect(await closed).toMatchObject({ code: 4012, terminal: true });
});

test("a token function that fails is told and tried again with back-off", async () => {
  await using peer = new ScriptedPeer();
  const cause = new Error("the login server is down");
  let calls = 0;
  const token = (): Promise<string> =>
    ++calls === 1 ? Promise.reject(cause) : Promise.resolve("at last");
  await using client = new TickwireClient(peer.url, { token, random: () => 0 });
  const error = once(client, "error");
  const reconnecting = once(client, "reconnecting");
  expect(await error).toMatchObject({ code: "token_failed", cause });
  expect(await reconnecting).toMatchObject({ error: { code: "token_failed" } });
  const connection = await peer.connection();
  expect((await connection.next("connect")).token).toBe("at last");
});

test("a token function that hangs is part of the attempt's time", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  const gate = Promise.withResolvers<string>();
  const client = new TickwireClient(peer.url, { token: () => gate.promise, clock });
  const waiting = refusal(client.ready());
  await once(client, "connecting");
  const reconnecting = once(client, "reconnecting");
  clock.advance(10_000);
  expect((await reconnecting).error.code).toBe("connect_timeout");
  gate.resolve("too late");
  await gate.promise;
  await client.close();
  await waiting;
  expect(peer.connectionCount).toBe(0);
});
