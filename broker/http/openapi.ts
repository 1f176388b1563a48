import type { CodeInfo } from "../../protocol/codes.ts";
import type { Access } from "./access.ts";
import { codesOf, route } from "./route.ts";
import type { Route } from "./route.ts";
import { disconnectRoute, revokeRoute } from "./routes/control.ts";
import { healthRoute, livezRoute, metricsRoute } from "./routes/health.ts";
import { batchRoute, publishRoute } from "./routes/publish.ts";
import { channelsRoute, connectionsRoute, historyRoute, presenceRoute } from "./routes/read.ts";
import {
  changeTraceRulesRoute,
  slowRoute,
  traceRoute,
  traceRulesRoute,
  tracesRoute,
} from "./routes/trace.ts";
import { changeTransformRoute, dryRunRoute, transformsRoute } from "./routes/transforms.ts";
import type { JsonSchema } from "./schema.ts";

/** Version of the HTTP API, apart from the wire protocol's. */
const API_VERSION = "1.0.0";

const ERROR_SCHEMA = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: {
        code: { type: "integer", description: "Number in the registry of codes; docs/codes.md." },
        name: { type: "string" },
        message: { type: "string" },
        retryAfterMs: { type: "integer" },
        fault: {
          type: "object",
          description: "Of a transform that cannot be taken into use: what is wrong, and where.",
          properties: {
            type: { type: "string" },
            message: { type: "string" },
            file: { type: ["string", "null"] },
            line: { type: ["integer", "null"] },
            issues: {
              type: "array",
              items: {
                type: "object",
                properties: { path: { type: "string" }, message: { type: "string" } },
                required: ["path", "message"],
              },
            },
          },
          required: ["type", "message", "file", "line", "issues"],
        },
        nodes: {
          type: "array",
          description:
            "Of a change of a transform that failed on some node: what became of it on each.",
          items: {
            type: "object",
            properties: {
              node: { type: "string" },
              outcome: { enum: ["failed", "rolled-back", "not-rolled-back", "unreachable"] },
              message: { type: ["string", "null"] },
            },
            required: ["node", "outcome", "message"],
          },
        },
      },
      required: ["code", "name", "message"],
    },
  },
  required: ["error"],
} as const;

const ACCESS_TEXT: Readonly<Record<Access, string>> = {
  public: "Open to everybody.",
  metrics:
    "Open to programs on the broker's machine, and to everybody when `metricsPublic` is set; else an API key or an admin token.",
  admin: "Needs an API key or an admin token.",
  granted: "Needs an API key, an admin token, or a token that grants this on the channel.",
};

const CREDENTIALS = [{ bearer: [] }, { apiKey: [] }];

function openapiRoute(path: string, operationId: string): Route {
  return route({
    method: "GET",
    path,
    operationId,
    summary: "This document.",
    access: "public",
    result: { type: "object" },
    codes: [],
    handle: () => ({ content: openapiDocument() }),
  });
}

/** Every operation: what is dispatched is what is described. */
export const ROUTES: readonly Route[] = [
  healthRoute,
  livezRoute,
  metricsRoute,
  publishRoute,
  batchRoute,
  historyRoute,
  presenceRoute,
  channelsRoute,
  connectionsRoute,
  disconnectRoute,
  revokeRoute,
  transformsRoute,
  changeTransformRoute,
  dryRunRoute,
  traceRoute,
  tracesRoute,
  slowRoute,
  traceRulesRoute,
  changeTraceRulesRoute,
  openapiRoute("/openapi.json", "openapi"),
  openapiRoute("/v1/openapi.json", "openapiV1"),
];

/** The OpenAPI 3.1 document of `ROUTES`. */
export function openapiDocument(): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const one of ROUTES) {
    paths[one.path] = { ...paths[one.path], [one.method.toLowerCase()]: operation(one) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Tickwire server API",
      version: API_VERSION,
      description:
        "For servers and operators. Errors carry a code of the same registry as the WebSocket protocol. " +
        "Every GET also answers HEAD.",
    },
    paths,
    components: {
      schemas: { Error: ERROR_SCHEMA },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An API key, or a token (JWT)." },
        apiKey: { type: "apiKey", in: "header", name: "X-API-Key" },
      },
    },
  };
}

function operation(one: Route): JsonSchema {
  const { operationId, summary, access, query, body } = one;
  const parameters = Object.entries(query).map(([name, schema]) => ({
    name,
    in: "query",
    required: !schema.isOptional,
    schema: schema.json,
  }));
  return {
    operationId,
    summary,
    description: ACCESS_TEXT[access],
    security: access === "public" ? [] : access === "metrics" ? [{}, ...CREDENTIALS] : CREDENTIALS,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null
      ? {}
      : {
          requestBody: { required: true, content: { "application/json": { schema: body.json } } },
        }),
    responses: responses(one),
  };
}

function responses(one: Route): JsonSchema {
  const { result, resultType = "application/json", otherStatuses = {}, body } = one;
  const byStatus: Record<string, unknown> = {
    200: { description: "Done.", content: { [resultType]: { schema: result } } },
  };
  for (const [status, description] of Object.entries(otherStatuses)) {
    byStatus[status] = { description, content: { [resultType]: { schema: result } } };
  }
  const codes = new Map<number, CodeInfo[]>();
  for (const info of codesOf(one)) {
    codes.set(info.httpStatus, [...(codes.get(info.httpStatus) ?? []), info]);
  }
  for (const [status, infos] of codes) {
    byStatus[status] = errorAnswer(infos.map(codeText).join("; "));
  }
  for (const [status, description] of Object.entries(one.errorStatuses ?? {})) {
    byStatus[status] = errorAnswer(description);
  }
  if (body !== null) {
    byStatus[408] = errorAnswer("bad_frame: the body took too long");
    byStatus[415] = errorAnswer("bad_frame: the content type is not application/json");
  }
  return byStatus;
}

function codeText({ code, name, text }: CodeInfo): string {
  return `${code} ${name}: ${text}`;
}

function errorAnswer(description: string): JsonSchema {
  const schema = { $ref: "#/components/schemas/Error" };
  return { description, content: { "application/json": { schema } } };
}
