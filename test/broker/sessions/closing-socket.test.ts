import { expect, test } from "bun:test";

import { RateLimit } from "../../../broker/rate-limit.ts";
import { BrokerServer } from "../../../broker/server.ts";
import type { ServerHost } from "../../../broker/server.ts";
import { Outbound } from "../../../broker/sessions/outbound.ts";
import { Session } from "../../../broker/sessions/session.ts";
import { SendStatus } from "../../../broker/sessions/socket.ts";
import type { Socket } from "../../../broker/sessions/socket.ts";
import { Stats } from "../../../broker/stats.ts";
import { Code } from "../../../protocol/codes.ts";
import { SUBPROTOCOL_MSGPACK } from "../../../protocol/version.ts";
import { RawWebSocket } from "../../support/raw-websocket.ts";

const MAX_MESSAGE_BYTES = 64 * 1024;

const noLimit = (): RateLimit => new RateLimit(0, 0, 0);

function sessionOf(socket: Socket): Session {
  const stats = new Stats();
  return new Session({
    id: "c_1",
    format: "msgpack",
    address: "127.0.0.1",
    socket,
    stats,
    sinceMs: 0,
    openedMs: 0,
    publishLimit: noLimit(),
    publishByteLimit: noLimit(),
    commandLimit: noLimit(),
    identity: null,
    createOutbound: () =>
      new Outbound(
        "msgpack",
        socket,
        { stats, maxQueuedBytes: 1, maxTotalQueuedBytes: 1, scheduleFlush: () => {} },
        () => {},
      ),
  });
}

test("a client that is closed while it does not read gets the Close frame whenever it reads on", async () => {
  const opened = Promise.withResolvers<Socket>();
  const closes: number[] = [];
  const host: ServerHost = {
    refuse: () => null,
    authenticate: () => Promise.reject(new Error("no token is sent")),
    opened: (socket) => {
      opened.resolve(socket);
      return sessionOf(socket);
    },
    received: () => {},
    writable: () => {},
    heard: () => {},
    closed: (_session, code) => closes.push(code),
    request: () => Promise.resolve(new Response()),
  };
  const server = new BrokerServer(host, {
    host: "127.0.0.1",
    port: 0,
    reusePort: false,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    backpressureLimitBytes: 16 * 1024 * 1024,
  });
  try {
    await using client = await RawWebSocket.connect(`ws://127.0.0.1:${server.port}`, {
      subprotocols: [SUBPROTOCOL_MSGPACK],
    });
    const socket = await opened.promise;
    client.pause();
    let sent = 0;
    do sent++;
    while (socket.sendBytes(new Uint8Array(MAX_MESSAGE_BYTES)) === SendStatus.sent);
    socket.close(Code.slow, Code.slow.text);
    // The broker is done with it, and Bun, which cuts a closing socket after seconds, has not begun to close.
    expect(closes).toEqual([Code.slow.code]);
    expect(server.socketCount).toBe(1);
    client.resume();
    expect(await client.closed).toEqual({ code: Code.slow.code, reason: Code.slow.text });
    expect(client.frames).toHaveLength(sent + 1);
    expect(closes).toHaveLength(1);
  } finally {
    await server.stop();
  }
});
