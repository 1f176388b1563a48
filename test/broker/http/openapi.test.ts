import { describe, expect, test } from "bun:test";

import { openapiDocument, ROUTES } from "../../../broker/http/openapi.ts";
import { codesOf } from "../../../broker/http/route.ts";
import { HttpBroker } from "../../support/http-broker.ts";
import { schemaProblems } from "../../support/json-schema.ts";
import { idleTransforms } from "../../support/plain-transforms.ts";

type Json = Readonly<Record<string, unknown>>;

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security: readonly Json[];
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: Json }[];
  readonly requestBody?: { content: { "application/json": { schema: Json } } };
  readonly responses: Readonly<
    Record<string, { description: string; content: Readonly<Record<string, { schema: Json }>> }>
  >;
}

const document = openapiDocument();
const operations = Object.entries(document["paths"] as Json).flatMap(([path, methods]) =>
  Object.entries(methods as Json).map(([method, operation]) => ({
    path,
    method: method.toUpperCase(),
    operation: operation as Operation,
  })),
);

/** Requests that succeed, and requests that must be refused, by operation. */
const CALLS: Readonly<
  Record<string, readonly { query?: string; body?: unknown; status: number }[]>
> = {
  health: [{ status: 200 }],
  livez: [{ status: 200 }, { query: "?x=1", status: 200 }],
  metrics: [{ status: 200 }],
  publish: [
    { body: { channel: "a", payload: "x", id: "1", key: "k", headers: { h: "v" } }, status: 200 },
    { body: { channel: "a", json: [1] }, status: 200 },
    { body: { channel: "a.*", payload: "x" }, status: 400 },
    { body: { channel: "a", payload: "x".repeat(64_513) }, status: 413 },
  ],
  publishBatch: [
    {
      body: { publications: [{ channel: "a", payload: { b64: "/w==" } }, { channel: "b" }] },
      status: 200,
    },
    { body: { publications: [] }, status: 400 },
  ],
  history: [
    { query: "?channel=a", status: 200 },
    { query: "?channel=a&limit=1&offset=0&epoch=x", status: 200 },
    { query: "?channel=a&limit=x", status: 400 },
    { query: "?channel=off.a", status: 400 },
  ],
  presence: [
    { query: "?channel=a", status: 200 },
    { query: "?channel=off.a", status: 400 },
  ],
  channels: [
    { status: 200 },
    { query: "?limit=1", status: 200 },
    { query: "?pattern=..", status: 400 },
  ],
  connections: [{ status: 200 }, { query: "?limit=0", status: 400 }],
  disconnect: [
    { body: { user: "nobody" }, status: 200 },
    { body: {}, status: 400 },
  ],
  revoke: [
    { body: { user: "nobody" }, status: 200 },
    { body: {}, status: 400 },
  ],
  transforms: [{ status: 200 }],
  changeTransform: [
    { body: { action: "rollback", id: "plain" }, status: 200 },
    { body: { action: "rollback", id: "other" }, status: 404 },
    { body: { action: "deploy", id: "plain", mode: { type: "shadow" } }, status: 400 },
    { body: { action: "deploy", id: "plain", use: "./elsewhere.ts" }, status: 403 },
  ],
  dryRunTransform: [
    { body: { id: "plain", channel: "a", payloads: ["x"] }, status: 200 },
    { body: { id: "plain", channel: "a", payloads: [] }, status: 400 },
  ],
  trace: [
    { query: `?id=${"0a".repeat(16)}`, status: 200 },
    { query: "?id=x", status: 400 },
  ],
  traces: [{ status: 200 }, { query: "?limit=0", status: 400 }],
  slow: [{ status: 200 }, { query: "?limit=1001", status: 400 }],
  traceRules: [{ status: 200 }],
  changeTraceRules: [
    { body: { channel: "a.>", user: "ann", ttlMs: 1000 }, status: 200 },
    { body: { ttlMs: 1000 }, status: 400 },
    { body: { action: "remove", id: "none" }, status: 404 },
  ],
  openapi: [{ status: 200 }],
  openapiV1: [{ status: 200 }],
};

test("describes exactly the routes that are dispatched", () => {
  expect(document["openapi"]).toBe("3.1.0");
  expect(operations.map(({ path, method }) => `${method} ${path}`).toSorted()).toEqual(
    ROUTES.map(({ path, method }) => `${method} ${path}`).toSorted(),
  );
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(Object.keys(CALLS).toSorted()).toEqual(ids.toSorted());
});

test("is served as it is, in both places", async () => {
  await using http = await HttpBroker.start();
  for (const path of ["/openapi.json", "/v1/openapi.json"]) {
    expect(await (await http.fetch(path)).json()).toEqual(JSON.parse(JSON.stringify(document)));
  }
});

test("every reference in it leads somewhere, and every operation says what it answers", () => {
  const text = JSON.stringify(document);
  const references = text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g);
  const { schemas, securitySchemes } = document["components"] as Record<string, Json>;
  for (const [, name] of references) expect(Object.keys(schemas ?? {})).toContain(name as string);
  for (const { operation } of operations) {
    expect(operation.summary).toEndWith(".");
    for (const scheme of operation.security.flatMap(Object.keys)) {
      expect(Object.keys(securitySchemes ?? {})).toContain(scheme);
    }
    expect(Object.keys(operation.responses)).toContain("200");
    expect(Object.keys(operation.responses)).toContain("500");
  }
});

test("what must be given is called required, and statuses are described where they can occur", () => {
  const required = operations.flatMap(({ operation: { operationId, parameters, requestBody } }) => [
    ...(parameters ?? []).filter((one) => one.required).map(({ name }) => `${operationId} ${name}`),
    ...((requestBody?.content["application/json"].schema["required"] ?? []) as string[]).map(
      (name) => `${operationId} ${name}`,
    ),
  ]);
  expect(required).toEqual([
    "publish channel",
    "publishBatch publications",
    "history channel",
    "presence channel",
    "changeTransform action",
    "changeTransform id",
    "dryRunTransform id",
    "dryRunTransform channel",
    "dryRunTransform payloads",
    "trace id",
  ]);
  for (const { method, operation } of operations) {
    const isGuarded = operation.security.length > 0;
    expect([operation.operationId, "401" in operation.responses]).toEqual([
      operation.operationId,
      isGuarded,
    ]);
    for (const status of ["408", "413", "415"]) {
      expect([operation.operationId, status in operation.responses]).toEqual([
        operation.operationId,
        method === "POST",
      ]);
    }
  }
});

test("every code a route may answer with is described under its status", () => {
  for (const route of ROUTES) {
    const found = operations.find(({ operation }) => operation.operationId === route.operationId);
    for (const { code, name, httpStatus } of codesOf(route)) {
      expect(found?.operation.responses[httpStatus]?.description).toContain(`${code} ${name}: `);
    }
  }
});

describe("every operation does what it says", () => {
  test.each(operations.map((one) => [one.operation.operationId, one] as const))(
    "%s",
    async (id, { path, method, operation }) => {
      await using http = await HttpBroker.start({
        runner: idleTransforms(),
        namespaces: [{ pattern: "off.>", historySize: 0, presence: false }],
      });
      await http.post("/v1/publish", { channel: "a", payload: "x", headers: { h: "v" } });
      for (const { query = "", body, status } of CALLS[id] ?? []) {
        const response =
          method === "POST" ? await http.post(path, body) : await http.fetch(path + query);
        const described = operation.responses[response.status];
        expect([id, query, body, response.status]).toEqual([id, query, body, status]);
        const type = response.headers.get("content-type") ?? "";
        const content = Object.entries(described?.content ?? {}).find(([name]) =>
          type.startsWith(name),
        );
        const isJson = type.startsWith("application/json");
        const answer: unknown = isJson ? await response.json() : await response.text();
        expect(
          schemaProblems(content?.[1].schema ?? { const: "nothing described" }, answer, document),
        ).toEqual([]);
        if (status !== 200) {
          const { error } = answer as { error: { code: number; name: string } };
          expect(described?.description).toContain(`${error.code} ${error.name}: `);
        }
        // What is accepted fits the description of what may be sent.
        const schema = operation.requestBody?.content["application/json"].schema;
        if (status === 200 && schema !== undefined && id !== "publishBatch") {
          expect(schemaProblems(schema, body, document)).toEqual([]);
        }
      }
    },
  );
});

test("query parameters are exactly those described", async () => {
  await using http = await HttpBroker.start();
  for (const { path, method, operation } of operations.filter((one) => one.method === "GET")) {
    if (!path.startsWith("/v1/") || path.endsWith("openapi.json")) continue;
    const names = operation.parameters?.map(({ name }) => name) ?? [];
    for (const parameter of operation.parameters ?? []) {
      expect(parameter.in).toBe("query");
      if (!parameter.required) continue;
      expect([path, (await http.fetch(path, { method })).status]).toEqual([path, 400]);
    }
    const unknown = await http.fetch(`${path}?${names.join("")}x=1`, { method });
    expect([path, unknown.status]).toEqual([path, 400]);
  }
});
