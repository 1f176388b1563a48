import { describe, expect, test } from "bun:test";

import { createToken } from "../../../broker/auth/create-token.ts";
import type { TokenRequest } from "../../../broker/auth/create-token.ts";
import { PublishRates } from "../../../broker/http/publish-rates.ts";
import { Stats } from "../../../broker/stats.ts";
import { HttpBroker } from "../../support/http-broker.ts";
import type { HttpBrokerOptions } from "../../support/http-broker.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const SECRET = "a secret of at least thirty-two bytes";
const KEYS = ["0123456789abcdef", "fedcba9876543210"] as const;

/** A broker with keys, in a time of its own. */
class Setup implements AsyncDisposable {
  readonly http: HttpBroker;
  readonly clock: VirtualClock;

  private constructor(http: HttpBroker, clock: VirtualClock) {
    this.http = http;
    this.clock = clock;
  }

  static async start(options: HttpBrokerOptions): Promise<Setup> {
    const clock = new VirtualClock();
    const keys = { tokenSecret: SECRET, apiKeys: [...KEYS] };
    return new Setup(await HttpBroker.start({ ...keys, ...options, clock }), clock);
  }

  async bearer(request: Partial<TokenRequest> = {}): Promise<Record<string, string>> {
    const nowMs = this.clock.wallMs();
    const token = await createToken({
      sub: "ann",
      expS: 600,
      publish: [">"],
      key: SECRET,
      nowMs,
      ...request,
    });
    return { authorization: `Bearer ${token}` };
  }

  /** Statuses of so many publications, one after the other. */
  async publish(headers: Record<string, string>, count: number, payload = "x"): Promise<number[]> {
    const statuses: number[] = [];
    while (statuses.length < count) {
      const answer = await this.http.post("/v1/publish", { channel: "a", payload }, headers);
      await answer.body?.cancel();
      statuses.push(answer.status);
    }
    return statuses;
  }

  refusals(): Record<string, number> {
    return Object.fromEntries(this.http.broker.api.stats.rateRefusalsByReason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.http[Symbol.asyncDispose]();
  }
}

describe("publishing over HTTP", () => {
  test("over the rate is answered 429, says when to come again, and publishes nothing", async () => {
    await using setup = await Setup.start({ apiPublishRate: 2 });
    const headers = { "x-api-key": KEYS[0] };
    expect(await setup.publish(headers, 4)).toEqual([200, 200, 200, 200]);
    const body = { channel: "a", payload: "x" };
    const answer = await setup.http.post("/v1/publish", body, headers);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await answer.json()).toEqual({
      error: {
        code: 4103,
        name: "too_many_requests",
        message: "over the rate limit; slow down",
        retryAfterMs: 500,
      },
    });
    expect(setup.http.broker.api.stats.publications).toBe(4);
    expect(setup.refusals()).toEqual({ api_publish_rate: 1 });
    setup.clock.advance(500);
    expect(await setup.publish(headers, 2)).toEqual([200, 429]);
  });

  test("is counted for each key by itself, in whichever header it comes", async () => {
    await using setup = await Setup.start({ apiPublishRate: 1 });
    expect(await setup.publish({ "x-api-key": KEYS[0] }, 2)).toEqual([200, 200]);
    expect(await setup.publish({ authorization: `Bearer ${KEYS[0]}` }, 1)).toEqual([429]);
    expect(await setup.publish({ "x-api-key": KEYS[1] }, 3)).toEqual([200, 200, 429]);
  });

  test("is counted for each user, with all their tokens together, by the rate of a connection", async () => {
    await using setup = await Setup.start({ publishRate: 1, apiPublishRate: 3 });
    expect(await setup.publish(await setup.bearer({ jti: "1" }), 2)).toEqual([200, 200]);
    expect(await setup.publish(await setup.bearer({ jti: "2" }), 1)).toEqual([429]);
    expect(await setup.publish(await setup.bearer({ sub: "bob" }), 2)).toEqual([200, 200]);
    expect(setup.refusals()).toEqual({ publish_rate: 1 });
    // An administrator is a server, also where a user has the same name.
    const statuses = await setup.publish(await setup.bearer({ admin: true }), 7);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 429]);
  });

  test("is counted by bytes as well, but not what is refused for its size", async () => {
    await using setup = await Setup.start({ publishByteRate: 1000, maxPayloadBytes: 1500 });
    const headers = await setup.bearer();
    expect(await setup.publish(headers, 3, "x".repeat(1501))).toEqual([413, 413, 413]);
    expect(await setup.publish(headers, 2, "x".repeat(1000))).toEqual([200, 200]);
    expect(await setup.publish(headers, 1)).toEqual([429]);
    expect(setup.refusals()).toEqual({ publish_byte_rate: 1 });
    expect(await setup.publish({ "x-api-key": KEYS[0] }, 3, "x".repeat(1000))).toEqual([
      200, 200, 200,
    ]);
  });

  test("is limited for each publication of a batch, and the others are published", async () => {
    await using setup = await Setup.start({ apiPublishRate: 1 });
    const publications = [1, 2, 3].map((json) => ({ channel: "a", json }));
    const headers = { "x-api-key": KEYS[0] };
    const answer = await setup.http.post("/v1/batch", { publications }, headers);
    expect(await answer.json()).toEqual({
      results: [
        expect.objectContaining({ offset: 1 }),
        expect.objectContaining({ offset: 2 }),
        { error: expect.objectContaining({ code: 4103, retryAfterMs: 1000 }) },
      ],
    });
  });

  test("does not cost what a token may not publish", async () => {
    await using setup = await Setup.start({ publishRate: 1 });
    const headers = await setup.bearer({ publish: ["b"] });
    expect(await setup.publish(headers, 3)).toEqual([403, 403, 403]);
    const answer = await setup.http.post("/v1/publish", { channel: "b", payload: "x" }, headers);
    expect(answer.status).toBe(200);
  });

  test("has no limit where none is set", async () => {
    await using setup = await Setup.start({});
    const headers = { "x-api-key": KEYS[0] };
    expect(new Set(await setup.publish(headers, 50))).toEqual(new Set([200]));
    expect(new Set(await setup.publish(await setup.bearer(), 50))).toEqual(new Set([200]));
  });
});

test("callers beyond the maximum are forgotten, those first that published longest ago", async () => {
  await using setup = await Setup.start({ apiPublishRate: 1 });
  const rates = new PublishRates(setup.http.config, setup.clock, new Stats(), 2);
  const take = (account: string): void =>
    rates.take({ isAdmin: true, identity: null, account }, "a", 1);
  for (const account of ["a", "a", "b", "b"]) take(account);
  expect(() => take("a")).toThrow("rate");
  take("c");
  expect(() => take("a")).toThrow("rate");
  take("b");
  take("b");
  expect(() => take("b")).toThrow("rate");
});
