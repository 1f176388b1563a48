import { describe, expect, test } from "bun:test";

import { createToken } from "../../../broker/auth/create-token.ts";
import type { TokenRequest } from "../../../broker/auth/create-token.ts";
import type { ConfigInput } from "../../../broker/config/config.ts";
import { ROUTES } from "../../../broker/http/openapi.ts";
import type { Route } from "../../../broker/http/route.ts";
import { HttpBroker } from "../../support/http-broker.ts";
import { idleTransforms } from "../../support/plain-transforms.ts";
import { rawHttp } from "../../support/raw-http.ts";

const SECRET = "a secret of at least thirty-two bytes";
const API_KEY = "0123456789abcdef";
const WITH_KEYS: ConfigInput = { tokenSecret: SECRET, apiKeys: [API_KEY] };

/** A valid request of each route, by its operation. */
const REQUESTS: Readonly<Record<string, { query?: string; body?: unknown }>> = {
  health: {},
  livez: {},
  metrics: {},
  publish: { body: { channel: "a", payload: "x" } },
  publishBatch: { body: { publications: [{ channel: "a", payload: "x" }] } },
  history: { query: "?channel=a" },
  presence: { query: "?channel=a" },
  channels: {},
  connections: {},
  disconnect: { body: { user: "nobody" } },
  revoke: { body: { user: "nobody" } },
  transforms: {},
  changeTransform: { body: { action: "rollback", id: "plain" } },
  dryRunTransform: { body: { id: "plain", channel: "a", payloads: ["x"] } },
  trace: { query: `?id=${"0a".repeat(16)}` },
  traces: {},
  slow: {},
  traceRules: {},
  changeTraceRules: { body: { channel: "a" } },
  openapi: {},
  openapiV1: {},
};

function call(
  http: HttpBroker,
  route: Route,
  headers: Record<string, string> = {},
): Promise<Response> {
  const { query = "", body } = REQUESTS[route.operationId] ?? {};
  if (route.method === "POST") return http.post(route.path, body, headers);
  return http.fetch(route.path + query, { headers });
}

async function nameOf(response: Response): Promise<string> {
  if (response.status === 200) {
    await response.body?.cancel();
    return "ok";
  }
  return ((await response.json()) as { error: { name: string } }).error.name;
}

function token(request: Partial<TokenRequest> = {}): Promise<string> {
  return createToken({ sub: "ann", expS: 60, key: SECRET, ...request });
}

/** Answers of every route that has something to protect. */
async function answers(
  http: HttpBroker,
  headers: Record<string, string>,
): Promise<Record<string, string>> {
  const guarded = ROUTES.filter(({ access }) => access === "admin" || access === "granted");
  const entries: [string, string][] = [];
  for (const route of guarded) {
    entries.push([route.operationId, await nameOf(await call(http, route, headers))]);
  }
  return Object.fromEntries(entries);
}

function all(name: string): Record<string, string> {
  const guarded = ROUTES.filter(({ access }) => access === "admin" || access === "granted");
  return Object.fromEntries(guarded.map(({ operationId }) => [operationId, name]));
}

test("every route has a request here", () => {
  expect(Object.keys(REQUESTS).toSorted()).toEqual(
    ROUTES.map(({ operationId }) => operationId).toSorted(),
  );
});

describe("with keys configured", () => {
  test("an API key opens everything, in either header", async () => {
    await using http = await HttpBroker.start({ ...WITH_KEYS, runner: idleTransforms() });
    expect(await answers(http, { "x-api-key": API_KEY })).toEqual(all("ok"));
    expect(await answers(http, { authorization: `Bearer ${API_KEY}` })).toEqual(all("ok"));
    expect(await answers(http, { authorization: `bearer  ${API_KEY} ` })).toEqual(all("ok"));
  });

  test("an admin token opens everything", async () => {
    await using http = await HttpBroker.start({ ...WITH_KEYS, runner: idleTransforms() });
    expect(
      await answers(http, { authorization: `Bearer ${await token({ admin: true })}` }),
    ).toEqual(all("ok"));
  });

  test.each<[string, Record<string, string>]>([
    ["nothing", {}],
    ["a wrong key", { "x-api-key": `${API_KEY}0` }],
    ["an empty key", { "x-api-key": "" }],
    [
      "a wrong key, though the other header is right",
      { "x-api-key": "wrong", authorization: `Bearer ${API_KEY}` },
    ],
    ["another scheme", { authorization: `Basic ${btoa(`x:${API_KEY}`)}` }],
    ["a key without a scheme", { authorization: API_KEY }],
    ["two keys", { authorization: `Bearer ${API_KEY} ${API_KEY}` }],
    ["a token as a key", { "x-api-key": "a.b.c" }],
    ["a token that is none", { authorization: "Bearer a.b.c" }],
  ])("%s opens nothing, not even from this machine", async (_name, headers) => {
    await using http = await HttpBroker.start(WITH_KEYS);
    expect(await answers(http, headers)).toEqual(all("unauthorized"));
    expect(http.broker.api.stats.publications).toBe(0);
  });

  test("an answer 401 says which scheme to use", async () => {
    await using http = await HttpBroker.start(WITH_KEYS);
    const response = await http.fetch("/v1/channels");
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("a token opens what it grants, for its channel alone", async () => {
    await using http = await HttpBroker.start(WITH_KEYS);
    const withGrant = async (grant: Partial<TokenRequest>): Promise<Record<string, string>> =>
      answers(http, { authorization: `Bearer ${await token(grant)}` });
    // A batch answers 200; its items are refused one by one.
    const nothing = { ...all("forbidden"), publishBatch: "ok" };
    expect(await withGrant({})).toEqual(nothing);
    expect(await withGrant({ publish: ["a"] })).toEqual({ ...nothing, publish: "ok" });
    expect(await withGrant({ subscribe: ["a"] })).toEqual({ ...nothing, history: "ok" });
    expect(await withGrant({ presence: ["a"] })).toEqual({ ...nothing, presence: "ok" });
    expect(await withGrant({ publish: ["b.>"], subscribe: ["b"], presence: ["*.a"] })).toEqual(
      nothing,
    );
    expect(await withGrant({ publish: [">"], subscribe: [">"], presence: [">"] })).toEqual({
      ...nothing,
      publish: "ok",
      history: "ok",
      presence: "ok",
    });
  });

  test("an expired token is told apart, for it can be renewed", async () => {
    await using http = await HttpBroker.start(WITH_KEYS);
    const old = await token({ admin: true, nowMs: Date.now() - 600_000 });
    expect(await answers(http, { authorization: `Bearer ${old}` })).toEqual(all("token_expired"));
  });

  test("API keys alone protect the server API as well", async () => {
    await using http = await HttpBroker.start({ apiKeys: [API_KEY], runner: idleTransforms() });
    expect(await answers(http, {})).toEqual(all("unauthorized"));
    expect(await answers(http, { "x-api-key": API_KEY })).toEqual(all("ok"));
  });
});

describe("without any key", () => {
  test("programs on this machine may do everything", async () => {
    await using http = await HttpBroker.start({ runner: idleTransforms() });
    expect(await answers(http, {})).toEqual(all("ok"));
  });

  test.each<[string, Record<string, string>]>([
    ["a page of another site", { origin: "https://evil.example" }],
    ["a sandboxed page", { origin: "null" }],
    ["an image or form on another site", { "sec-fetch-site": "cross-site" }],
    ["a host name pointed at this machine", { host: "evil.example" }],
    ["a request through a proxy", { "x-forwarded-for": "203.0.113.5" }],
  ])("%s may do nothing", async (_name, headers) => {
    await using http = await HttpBroker.start({ allowedOrigins: ["*"] });
    expect(await answers(http, headers)).toEqual(all("forbidden"));
    expect(http.broker.api.stats.publications).toBe(0);
  });

  test("a form cannot publish: it has no such content type", async () => {
    await using http = await HttpBroker.start();
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const response = await http.fetch("/v1/publish", {
        method: "POST",
        headers: { "content-type": type },
        body: '{"channel":"a","payload":"x"}',
      });
      expect(response.status).toBe(415);
    }
    expect(http.broker.api.stats.publications).toBe(0);
  });

  test("a key that is not configured does not help", async () => {
    await using http = await HttpBroker.start();
    expect(await answers(http, { "x-api-key": API_KEY })).toEqual(all("unauthorized"));
    expect(await answers(http, { authorization: `Bearer ${API_KEY}` })).toEqual(
      all("unauthorized"),
    );
  });
});

describe("health and metrics", () => {
  test("health answers everybody", async () => {
    await using http = await HttpBroker.start(WITH_KEYS);
    const headers = { "x-forwarded-for": "203.0.113.5", host: "broker.example" };
    for (const path of ["/health", "/livez"]) {
      expect((await http.fetch(path, { headers })).status).toBe(200);
    }
  });

  test("metrics answer this machine, a key, and everybody only when told so", async () => {
    const remote = { "x-forwarded-for": "203.0.113.5" };
    await using http = await HttpBroker.start(WITH_KEYS);
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await http.fetch("/metrics", { headers })).status;
    expect(await status({})).toBe(200);
    expect(await status(remote)).toBe(401);
    expect(await status({ ...remote, "x-api-key": API_KEY })).toBe(200);
    expect(
      await status({ ...remote, authorization: `Bearer ${await token({ admin: true })}` }),
    ).toBe(200);
    expect(await status({ ...remote, authorization: `Bearer ${await token()}` })).toBe(403);
    await using open = await HttpBroker.start({ ...WITH_KEYS, metricsPublic: true });
    expect((await open.fetch("/metrics", { headers: remote })).status).toBe(200);
  });
});

test("no secret is in any answer, the metrics or the log", async () => {
  await using http = await HttpBroker.start({ ...WITH_KEYS, metricsPublic: true });
  const seen: string[] = [];
  const bearer = await token({ publish: ["b"] });
  const credentials = [
    `Bearer ${API_KEY}`,
    `Bearer ${bearer}`,
    `Bearer ${bearer}x`,
    `Basic ${API_KEY}`,
  ];
  for (const route of ROUTES) {
    for (const authorization of credentials) {
      const response = await call(http, route, { authorization });
      seen.push(JSON.stringify([...response.headers]), await response.text());
    }
  }
  seen.push(JSON.stringify(http.logger.entries));
  const text = seen.join("\n");
  for (const secret of [SECRET, API_KEY, bearer, bearer.split(".")[2] as string]) {
    expect(text).not.toContain(secret);
  }
});

test("a request without a valid host is answered and does no harm", async () => {
  await using http = await HttpBroker.start();
  for (const host of ["[", "a b", "http://x", "\u0001"]) {
    const answer = await rawHttp(
      http.broker.port,
      `GET /v1/channels HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 40[03]/);
  }
  expect(http.logger.entries).toEqual([]);
  expect((await http.fetch("/livez")).status).toBe(200);
});
