import { describe, expect, test } from "bun:test";

import { AuthGate } from "../../../broker/auth/auth-gate.ts";
import { createAuthenticator } from "../../../broker/auth/create-authenticator.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import type { ConfigInput } from "../../../broker/config/config.ts";
import { silentLogger } from "../../../broker/ports.ts";
import type { Authenticator } from "../../../broker/ports.ts";
import { Stats } from "../../../broker/stats.ts";
import { MemoryLogger } from "../../support/memory-logger.ts";
import { announceSeed, Random } from "../../support/random.ts";
import { rawToken } from "../../support/raw-token.ts";
import { rejection } from "../../support/rejection.ts";
import { ALL, signToken, TOKEN_SECRET } from "../../support/tokens.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const REFUSED = { info: { name: "too_many_requests" } };
const UNAUTHORIZED = { info: { name: "unauthorized" } };

/** A gate before the real authenticator, in a time of its own. */
class Setup {
  readonly clock = new VirtualClock();
  readonly logger = new MemoryLogger();
  readonly stats = new Stats();
  readonly authenticator: Authenticator;
  readonly gate: AuthGate;

  constructor(failureRate: number, maxAddresses?: number, input: ConfigInput = {}) {
    const key = input.jwksUrl === undefined ? { tokenSecret: TOKEN_SECRET } : {};
    const config = buildConfig({ log: "silent", ...key, ...input });
    this.authenticator = createAuthenticator(config, this.clock, silentLogger);
    const { authenticator, clock, logger, stats } = this;
    const parts = { authenticator, failureRate, clock, logger, stats };
    this.gate = new AuthGate(maxAddresses === undefined ? parts : { ...parts, maxAddresses });
  }

  token(user = "ada"): Promise<string> {
    return signToken(user, ALL, { nowMs: this.clock.wallMs() });
  }

  /** The name of what becomes of a token: "ok", or the code's. */
  async attempt(token: string, address: string | null = "203.0.113.5"): Promise<string> {
    try {
      await this.gate.authenticate(token, address);
      return "ok";
    } catch (error) {
      return (error as { info: { name: string } }).info.name;
    }
  }

  async fail(count: number, address?: string): Promise<string[]> {
    const names = [];
    while (names.length < count) names.push(await this.attempt("a.b.c", address));
    return names;
  }
}

describe("failures of one address", () => {
  test("are let through up to the rate at once, then refused, and forgiven one by one", async () => {
    const setup = new Setup(60);
    expect(new Set(await setup.fail(60))).toEqual(new Set(["unauthorized"]));
    expect(await rejection(setup.gate.authenticate("a.b.c", "203.0.113.5"))).toMatchObject({
      ...REFUSED,
      retryAfterMs: 1000,
    });
    setup.clock.advance(999);
    expect(await setup.fail(1)).toEqual(["too_many_requests"]);
    setup.clock.advance(1);
    expect(await setup.fail(2)).toEqual(["unauthorized", "too_many_requests"]);
    setup.clock.advance(3_600_000);
    expect(await setup.fail(61)).toEqual([
      ...Array.from({ length: 60 }, () => "unauthorized"),
      "too_many_requests",
    ]);
  });

  test("do not concern another one", async () => {
    const setup = new Setup(5);
    await setup.fail(6);
    expect(await setup.fail(1)).toEqual(["too_many_requests"]);
    expect(await setup.fail(1, "203.0.113.6")).toEqual(["unauthorized"]);
    expect(await setup.attempt(await setup.token(), "203.0.113.6")).toBe("ok");
  });

  test("refuse even a good token, unless it was accepted lately and is so still", async () => {
    const setup = new Setup(5);
    const [known, fresh, revoked] = [
      await setup.token("ada"),
      await setup.token("bob"),
      await setup.token("eve"),
    ];
    expect([await setup.attempt(known), await setup.attempt(revoked)]).toEqual(["ok", "ok"]);
    setup.authenticator.revoke({ user: "eve" });
    await setup.fail(5);
    expect(await setup.attempt(known)).toBe("ok");
    expect(await setup.attempt(fresh)).toBe("too_many_requests");
    expect(await setup.attempt(revoked)).toBe("too_many_requests");
    expect(await setup.attempt("x".repeat(5000))).toBe("too_many_requests");
    setup.clock.advance(12_000);
    expect(await setup.attempt(fresh)).toBe("ok");
  });

  test("do not lock anybody out for longer, however many were under way at once", async () => {
    const setup = new Setup(60);
    const attempts = Array.from({ length: 500 }, () => setup.attempt("a.b.c"));
    expect(new Set(await Promise.all(attempts))).toEqual(new Set(["unauthorized"]));
    expect(await setup.attempt(await setup.token())).toBe("too_many_requests");
    setup.clock.advance(1000);
    expect(await setup.attempt(await setup.token())).toBe("ok");
  });

  test("are those of revoked tokens as well; those that have expired are only counted", async () => {
    const setup = new Setup(2);
    const ended = await signToken("ada", ALL, { expS: 60, nowMs: setup.clock.wallMs() - 600_000 });
    const revoked = await setup.token("eve");
    setup.authenticator.revoke({ user: "eve" });
    for (let i = 0; i < 5; i++) expect(await setup.attempt(ended)).toBe("token_expired");
    expect(await setup.attempt(revoked)).toBe("revoked");
    await setup.fail(2);
    expect(Object.fromEntries(setup.stats.authFailuresByCode)).toEqual({
      token_expired: 5,
      revoked: 1,
      unauthorized: 1,
    });
    expect(Object.fromEntries(setup.stats.rateRefusalsByReason)).toEqual({ auth_failures: 1 });
  });
});

describe("what is no failure", () => {
  test("a token that is accepted, and none at all", async () => {
    const setup = new Setup(1);
    for (let i = 0; i < 10; i++) {
      expect(await setup.attempt(await setup.token(`u${i}`))).toBe("ok");
      expect(await rejection(setup.gate.authenticate(null, "203.0.113.5"))).toMatchObject(
        UNAUTHORIZED,
      );
    }
    expect(setup.gate.addressCount).toBe(0);
    expect(setup.stats.authFailuresByCode.size).toBe(0);
  });

  test("a token that cannot be verified for want of keys", async () => {
    // Nobody listens on port 1.
    const setup = new Setup(1, undefined, { jwksUrl: "http://127.0.0.1:1/" });
    const token = rawToken({ alg: "ES256", kid: "k" }, { sub: "ada" }, () => new Uint8Array(64));
    for (let i = 0; i < 5; i++) expect(await setup.attempt(token)).toBe("unavailable");
    expect(setup.gate.addressCount).toBe(0);
  });

  test("anything of a client that a proxy hides, or where the rate is 0; it is counted all the same", async () => {
    for (const [setup, address] of [
      [new Setup(1), null],
      [new Setup(0), "203.0.113.5"],
    ] as const) {
      for (let i = 0; i < 10; i++)
        expect(await setup.attempt("a.b.c", address)).toBe("unauthorized");
      expect(setup.gate.addressCount).toBe(0);
      expect(setup.stats.authFailuresByCode.get("unauthorized")).toBe(10);
    }
  });
});

test("many addresses at once are each held to the rate, as a list of their failures says", async () => {
  const random = new Random(announceSeed("auth-gate"));
  const setup = new Setup(6);
  /** What each has left, in the ms it takes to forgive that: whole numbers, 10,000 for each failure. */
  const plain = new Map<string, { left: number; atMs: number }>();
  let refused = 0;
  for (let step = 0; step < 3000; step++) {
    setup.clock.advance(1000 * random.below(3));
    const nowMs = setup.clock.nowMs();
    const address = `203.0.113.${random.below(6)}`;
    const one = plain.get(address) ?? { left: 60_000, atMs: nowMs };
    const left = Math.min(60_000, one.left + nowMs - one.atMs);
    // Where it is just enough, the last digit of a fraction decides.
    if (left === 10_000) continue;
    const isOver = left < 10_000;
    if (isOver) refused++;
    else plain.set(address, { left: left - 10_000, atMs: nowMs });
    expect([step, await setup.attempt("a.b.c", address)]).toEqual([
      step,
      isOver ? "too_many_requests" : "unauthorized",
    ]);
  }
  expect(refused).toBeGreaterThan(300);
});

describe("its bounds", () => {
  test("addresses are forgotten beyond the maximum, those first that failed longest ago", async () => {
    const setup = new Setup(1, 3);
    for (const address of ["a", "b", "c"]) await setup.fail(1, address);
    expect(await setup.fail(1, "a")).toEqual(["too_many_requests"]);
    await setup.fail(1, "d");
    expect(setup.gate.addressCount).toBe(3);
    expect(await setup.fail(1, "b")).toEqual(["too_many_requests"]);
    expect(await setup.fail(1, "a")).toEqual(["unauthorized"]);
    expect(setup.gate.addressCount).toBe(3);
  });

  test("an address is logged once a minute, with how many were refused", async () => {
    const setup = new Setup(1);
    await setup.fail(11);
    setup.clock.advance(59_999);
    setup.clock.advance(1);
    await setup.fail(3);
    expect(setup.logger.entries).toEqual([
      {
        level: "warn",
        event: "auth_failures_limited",
        fields: { address: "203.0.113.5", refused: 1 },
      },
      {
        level: "warn",
        event: "auth_failures_limited",
        fields: { address: "203.0.113.5", refused: 10 },
      },
    ]);
  });

  test("all addresses together are logged ten times at once, and then ten times a minute", async () => {
    const setup = new Setup(1);
    for (let i = 0; i < 100; i++) await setup.fail(2, `198.51.100.${i}`);
    expect(setup.logger.entries).toHaveLength(10);
    expect(setup.stats.rateRefusalsByReason.get("auth_failures")).toBe(100);
    setup.clock.advance(6000);
    for (let i = 0; i < 100; i++) await setup.fail(1, `198.51.100.${i}`);
    expect(setup.logger.entries).toHaveLength(11);
  });
});
