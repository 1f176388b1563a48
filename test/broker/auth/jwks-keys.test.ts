import { describe, expect, test } from "bun:test";

import { SignJWT } from "jose";

import { createAuthenticator } from "../../../broker/auth/create-authenticator.ts";
import { JwksKeys } from "../../../broker/auth/jwks-keys.ts";
import { TokenAuthenticator } from "../../../broker/auth/token-authenticator.ts";
import { buildConfig } from "../../../broker/config/config.ts";
import { AccessError } from "../../../broker/ports.ts";
import { JwksServer, signingKey } from "../../support/jwks-server.ts";
import type { SigningKey } from "../../support/jwks-server.ts";
import { MemoryLogger } from "../../support/memory-logger.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const MAX_AGE_MS = 600_000;
const COOLDOWN_MS = 30_000;

const k1 = await signingKey("ES256", "k1");
const k2 = await signingKey("ES256", "k2");

/** An authenticator over a real endpoint, and time that passes by hand. */
class Setup implements AsyncDisposable {
  readonly server = new JwksServer();
  readonly clock = new VirtualClock();
  readonly logger = new MemoryLogger();
  readonly keys: JwksKeys;
  readonly authenticator: TokenAuthenticator;
  #tokens = 0;

  constructor(timeoutMs = 10_000) {
    const { clock, logger } = this;
    this.keys = new JwksKeys({
      url: this.server.url,
      maxAgeMs: MAX_AGE_MS,
      cooldownMs: COOLDOWN_MS,
      timeoutMs,
      clock,
      logger,
    });
    const rules = {
      algorithms: ["ES256", "RS256", "EdDSA"] as const,
      issuer: null,
      audience: null,
      clockToleranceS: 5,
      maxAgeS: 86_400,
    };
    this.authenticator = new TokenAuthenticator(rules, this.keys, clock);
  }

  /** A token never seen before, so that no cache answers for it. */
  token(key: SigningKey, header: { kid?: string } = { kid: key.jwk.kid ?? "" }): Promise<string> {
    const nowS = this.clock.wallMs() / 1000;
    return new SignJWT({ jti: `t${++this.#tokens}` })
      .setProtectedHeader({ alg: key.jwk.alg ?? "", ...header })
      .setSubject("ann")
      .setExpirationTime(nowS + 3600)
      .sign(key.privateKey);
  }

  async outcome(key: SigningKey, header?: { kid?: string }): Promise<string> {
    return this.outcomeOf(await this.token(key, header));
  }

  async outcomeOf(token: string): Promise<string> {
    try {
      await this.authenticator.authenticate(token);
      return "accepted";
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
      return error.info.name;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server.stop();
  }
}

test("many first tokens cost one fetch, later ones none", async () => {
  await using setup = new Setup();
  setup.server.publish(k1, k2);
  const outcomes = await Promise.all([k1, k2, k1, k2, k1].map((key) => setup.outcome(key)));
  expect(new Set(outcomes)).toEqual(new Set(["accepted"]));
  expect(await setup.outcome(k1)).toBe("accepted");
  expect(setup.server.requests).toBe(1);
});

test("a token without a key id is verified by the only key that fits", async () => {
  await using setup = new Setup();
  const ed = await signingKey("EdDSA", null);
  setup.server.publish(k1, ed);
  expect(await setup.outcome(ed, {})).toBe("accepted");
  expect(await setup.outcome(k1, {})).toBe("accepted");
  // With two keys that fit, nobody can say which one is meant.
  setup.server.publish(k1, k2);
  setup.clock.advance(MAX_AGE_MS);
  expect(await setup.outcome(k1, {})).toBe("unauthorized");
});

test("a key id of another key does not verify", async () => {
  await using setup = new Setup();
  setup.server.publish(k1, k2);
  expect(await setup.outcome(k1, { kid: "k2" })).toBe("unauthorized");
});

describe("rotation", () => {
  test("a new key is found by its unknown id, but at most once per cooldown", async () => {
    await using setup = new Setup();
    setup.server.publish(k1);
    expect(await setup.outcome(k1)).toBe("accepted");
    setup.server.publish(k1, k2);
    expect(await setup.outcome(k2)).toBe("unauthorized");
    expect(setup.server.requests).toBe(1);
    setup.clock.advance(COOLDOWN_MS);
    expect(await setup.outcome(k2)).toBe("accepted");
    expect(setup.server.requests).toBe(2);
    // A flood of invented ids costs no more than one fetch per cooldown.
    for (let i = 0; i < 20; i++) {
      expect(await setup.outcome(k1, { kid: `made-up-${i}` })).toBe("unauthorized");
    }
    expect(setup.server.requests).toBe(2);
    setup.clock.advance(COOLDOWN_MS);
    const flood = Array.from({ length: 20 }, (_, i) => setup.outcome(k1, { kid: `x${i}` }));
    expect(new Set(await Promise.all(flood))).toEqual(new Set(["unauthorized"]));
    expect(setup.server.requests).toBe(3);
  });

  test("a key withdrawn is refused after the keys' age, also for tokens seen before", async () => {
    await using setup = new Setup();
    setup.server.publish(k1, k2);
    const seen = await setup.token(k1);
    expect(await setup.outcomeOf(seen)).toBe("accepted");
    setup.server.publish(k2);
    setup.clock.advance(MAX_AGE_MS);
    // The first token after a quiet time waits for the new keys.
    expect(await setup.outcome(k1)).toBe("unauthorized");
    expect(await setup.outcomeOf(seen)).toBe("unauthorized");
    expect(await setup.outcome(k2)).toBe("accepted");
  });

  test("the same id with another key is another key", async () => {
    await using setup = new Setup();
    const impostor = await signingKey("ES256", "k1");
    setup.server.publish(k1);
    expect(await setup.outcome(impostor)).toBe("unauthorized");
    setup.server.publish(impostor);
    setup.clock.advance(MAX_AGE_MS);
    expect(await setup.outcome(impostor)).toBe("accepted");
    expect(await setup.outcome(k1)).toBe("unauthorized");
  });
});

describe("a provider that fails", () => {
  test("before there are keys: unavailable, which a client may retry, and soon right again", async () => {
    await using setup = new Setup();
    expect(await setup.outcome(k1)).toBe("unavailable");
    expect(await setup.outcome(k1)).toBe("unavailable");
    expect(setup.server.requests).toBe(1);
    expect(setup.logger.events()).toEqual(["jwks_fetch_failed"]);
    setup.server.publish(k1);
    setup.clock.advance(1000);
    expect(await setup.outcome(k1)).toBe("accepted");
    expect(setup.logger.events()).toEqual(["jwks_fetch_failed", "jwks_fetched"]);
  });

  test("afterwards: the last good keys stay in use, however long it lasts", async () => {
    await using setup = new Setup();
    setup.server.publish(k1);
    expect(await setup.outcome(k1)).toBe("accepted");
    setup.server.answer(() => new Response("down", { status: 503 }));
    for (let i = 0; i < 20; i++) {
      setup.clock.advance(MAX_AGE_MS);
      expect(await setup.outcome(k1)).toBe("accepted");
    }
    expect(setup.logger.events()).toContain("jwks_fetch_failed");
    await setup.server.stop();
    setup.clock.advance(MAX_AGE_MS);
    expect(await setup.outcome(k1)).toBe("accepted");
  });

  test("meanwhile an unknown key id is not called wrong, for nobody can know", async () => {
    await using setup = new Setup();
    setup.server.publish(k1);
    expect(await setup.outcome(k1)).toBe("accepted");
    setup.server.answer(() => new Response("down", { status: 503 }));
    setup.clock.advance(COOLDOWN_MS);
    expect(await setup.outcome(k2)).toBe("unavailable");
    expect(await setup.outcome(k1, { kid: "k2" })).toBe("unavailable");
    setup.server.publish(k1);
    setup.clock.advance(COOLDOWN_MS);
    expect(await setup.outcome(k2)).toBe("unauthorized");
  });

  test("while failing, nobody waits for it: keys are fetched in the background", async () => {
    await using setup = new Setup();
    setup.server.publish(k1);
    expect(await setup.outcome(k1)).toBe("accepted");
    setup.server.answer(() => new Response("down", { status: 503 }));
    setup.clock.advance(MAX_AGE_MS);
    expect(await setup.outcome(k1)).toBe("accepted");
    // Now it accepts connections and answers nothing.
    const hung = Promise.withResolvers<Response>();
    setup.server.answer(() => hung.promise);
    setup.clock.advance(MAX_AGE_MS);
    const request = setup.server.nextRequest();
    expect(await setup.outcome(k1)).toBe("accepted");
    await request;
    expect(await setup.outcome(k1)).toBe("accepted");
    hung.resolve(Response.json({ keys: [k2.jwk] }));
    // An unknown key id waits for the fetch under way.
    expect(await setup.outcome(k2)).toBe("accepted");
    expect(await setup.outcome(k1)).toBe("unauthorized");
  });

  test("one that hangs is given up", async () => {
    await using setup = new Setup(20);
    setup.server.answer(() => new Promise<Response>(() => {}));
    expect(await setup.outcome(k1)).toBe("unavailable");
  });

  test("one that hangs in the middle of its answer is given up", async () => {
    await using setup = new Setup(50);
    setup.server.answer(() => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode('{"keys":[')),
      });
      return new Response(body, { headers: { "content-type": "application/json" } });
    });
    expect(await setup.outcome(k1)).toBe("unavailable");
  });

  test.each<[string, () => Response]>([
    ["an empty answer", () => new Response("")],
    ["text", () => new Response("hello")],
    ["no object", () => Response.json([k1.jwk])],
    ["no keys", () => Response.json({ keys: [] })],
    ["keys that are no list", () => Response.json({ keys: { k1: k1.jwk } })],
    [
      "only keys that verify nothing",
      () => Response.json({ keys: [{ kty: "oct", k: "AAAA" }, null, 5] }),
    ],
    [
      "more keys than anybody has",
      () => Response.json({ keys: Array.from({ length: 101 }, () => k1.jwk) }),
    ],
    ["an endless answer", () => Response.json({ keys: [k1.jwk], pad: "x".repeat(300 * 1024) })],
    ["a redirect to somebody else", () => Response.redirect("http://127.0.0.1:1/keys", 302)],
    ["not found", () => Response.json({ keys: [k1.jwk] }, { status: 404 })],
    ["no content", () => new Response(null, { status: 204 })],
  ])("%s gives no keys", async (_name, answer) => {
    await using setup = new Setup();
    setup.server.answer(answer);
    expect(await setup.outcome(k1)).toBe("unavailable");
    expect(setup.logger.events()).toEqual(["jwks_fetch_failed"]);
  });

  test("keys of other kinds beside the right one do no harm", async () => {
    await using setup = new Setup();
    const odd = [{ kty: "oct", k: "AAAA", kid: "k1" }, { kty: "XYZ" }, null, "text"];
    setup.server.answer(() => Response.json({ keys: [...odd, k1.jwk] }));
    expect(await setup.outcome(k1)).toBe("accepted");
  });

  test("a key the token names but that cannot be used refuses the token, not the broker", async () => {
    await using setup = new Setup();
    const broken = { ...k1.jwk, x: "AAAA" };
    setup.server.answer(() => Response.json({ keys: [broken] }));
    expect(await setup.outcome(k1)).toBe("unauthorized");
  });
});

test("the configuration's seconds are what the authenticator waits", async () => {
  await using setup = new Setup();
  setup.server.publish(k1);
  const config = buildConfig({
    jwksUrl: setup.server.url,
    jwksCacheMaxAgeS: 60,
    jwksCooldownS: 10,
    tokenAlgorithms: ["ES256"],
  });
  const authenticator = createAuthenticator(config, setup.clock, setup.logger);
  const requestsAfter = async (ms: number, header?: { kid: string }): Promise<number> => {
    setup.clock.advance(ms);
    await authenticator.authenticate(await setup.token(k1, header)).catch(() => null);
    return setup.server.requests;
  };
  expect(await requestsAfter(0)).toBe(1);
  expect(await requestsAfter(9999, { kid: "unknown" })).toBe(1);
  expect(await requestsAfter(1, { kid: "unknown" })).toBe(2);
  expect(await requestsAfter(59_999)).toBe(2);
  expect(await requestsAfter(1)).toBe(3);
});

test("a forged token makes nobody fetch anything from where it says", async () => {
  await using setup = new Setup();
  await using trap = new JwksServer();
  const thief = await signingKey("ES256", "thief");
  trap.publish(thief);
  setup.server.publish(k1);
  const token = await new SignJWT({ iss: trap.url })
    .setProtectedHeader({
      alg: "ES256",
      kid: "thief",
      jku: trap.url,
      x5u: trap.url,
      jwk: thief.jwk,
    })
    .setSubject("ann")
    .setExpirationTime(setup.clock.wallMs() / 1000 + 60)
    .sign(thief.privateKey);
  expect(await setup.outcomeOf(token)).toBe("unauthorized");
  setup.clock.advance(COOLDOWN_MS);
  expect(await setup.outcomeOf(token)).toBe("unauthorized");
  expect(trap.requests).toBe(0);
});
