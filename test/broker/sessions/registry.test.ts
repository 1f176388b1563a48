import { describe, expect, test } from "bun:test";

import { allGrants } from "../../../broker/auth/grants.ts";
import type { Identity } from "../../../broker/ports.ts";
import { RateLimit } from "../../../broker/rate-limit.ts";
import { Outbound } from "../../../broker/sessions/outbound.ts";
import { Registry } from "../../../broker/sessions/registry.ts";
import { Session } from "../../../broker/sessions/session.ts";
import { Stats } from "../../../broker/stats.ts";
import { PlainSocket } from "../../support/plain-socket.ts";

let lastId = 0;

function sessionFrom(address: string): Session {
  const socket = new PlainSocket();
  const stats = new Stats();
  const context = {
    stats,
    maxQueuedBytes: 1e6,
    maxTotalQueuedBytes: 1e6,
    scheduleFlush: () => {},
  };
  const noLimit = new RateLimit(0, 0, 0);
  return new Session({
    id: `c_${++lastId}`,
    format: "msgpack",
    address,
    socket,
    stats,
    sinceMs: 0,
    openedMs: 0,
    publishLimit: noLimit,
    publishByteLimit: noLimit,
    commandLimit: noLimit,
    identity: null,
    createOutbound: () => new Outbound("msgpack", socket, context, () => {}),
  });
}

function identityOf(user: string | null): Identity {
  return {
    user,
    grants: allGrants,
    expiresAtMs: 0,
    issuedAtMs: 0,
    tokenId: null,
    isAdmin: false,
    mayTrace: false,
  };
}

function connected(registry: Registry, session: Session, user: string | null): void {
  session.identity = identityOf(user);
  registry.connected(session, user);
}

describe("registry", () => {
  test("finds sessions by id, by user and by address", () => {
    const registry = new Registry();
    const [a, b, c] = [sessionFrom("10.0.0.1"), sessionFrom("10.0.0.1"), sessionFrom("10.0.0.2")];
    for (const session of [a, b, c]) registry.opened(session);
    connected(registry, a, "ada");
    connected(registry, c, "ada");
    expect(registry.find(a.id)).toBe(a);
    expect([...registry.ofUser("ada")]).toEqual([a, c]);
    expect([...registry.ofUser("bob")]).toEqual([]);
    expect(registry.countOfAddress("10.0.0.1")).toBe(2);
    expect(registry.countOfAddress("10.0.0.9")).toBe(0);
    expect([...registry.all()]).toEqual([a, b, c]);
    expect([...registry.pending]).toEqual([b]);
  });

  test("forgets a session wholly, and only once", () => {
    const registry = new Registry();
    const [a, b] = [sessionFrom("10.0.0.1"), sessionFrom("10.0.0.1")];
    for (const session of [a, b]) {
      registry.opened(session);
      connected(registry, session, "ada");
    }
    registry.closed(a);
    registry.closed(a);
    expect(registry.size).toBe(1);
    expect(registry.countOfAddress("10.0.0.1")).toBe(1);
    expect([...registry.ofUser("ada")]).toEqual([b]);
    registry.closed(b);
    expect(registry.size).toBe(0);
    expect(registry.countOfAddress("10.0.0.1")).toBe(0);
    expect(registry.ofUser("ada").size).toBe(0);
  });

  test("forgets a session whose token came with the request but that never connected", () => {
    const registry = new Registry();
    const [a, b] = [sessionFrom("10.0.0.1"), sessionFrom("10.0.0.1")];
    registry.opened(a);
    connected(registry, a, "ada");
    b.identity = identityOf("ada");
    registry.opened(b);
    registry.closed(b);
    expect([...registry.ofUser("ada")]).toEqual([a]);
    expect(registry.pending.size).toBe(0);
  });

  test("does not count nobody as a user", () => {
    const registry = new Registry();
    const session = sessionFrom("10.0.0.1");
    registry.opened(session);
    connected(registry, session, null);
    expect(registry.pending.size).toBe(0);
    registry.closed(session);
    expect(registry.size).toBe(0);
  });
});
