import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import { MAX_ID_BYTES } from "../../auth/claims.ts";
import { MAX_TRACE_RULE_MS } from "../../tracing/debug-rules.ts";
import { badInput } from "../http-error.ts";
import { route } from "../route.ts";
import { channelPattern, integer, object, optional, text, withDefault } from "../schema.ts";
import type { JsonSchema, Schema } from "../schema.ts";

const DEFAULT_RULE_MS = 60_000;
const DEFAULT_LIMIT = 10;
const MAX_SLOW = 1000;
const MAX_TRACES = 100;

const nullable = (type: string): JsonSchema => ({ type: [type, "null"] });

const traceId: Schema<string> = {
  json: { type: "string", pattern: "^[0-9a-f]{32}$", description: "Trace id, 32 hex digits." },
  isOptional: false,
  parse: (value, name) => {
    if (typeof value === "string" && /^[0-9a-f]{32}$/i.test(value)) return value.toLowerCase();
    throw badInput(`${name} must be a trace id: 32 hex digits`);
  },
};

const NODE = { type: "string", description: "The node that answers: each tells its own." } as const;

const PART = {
  type: "object",
  description:
    "What one node knows of one publication: times in ms since 1970, null for steps that did not happen there.",
  properties: {
    traceId: { type: "string" },
    reason: { enum: ["debug", "upstream", "slow", "error", "drop", "head"] },
    node: { type: "string" },
    publication: { type: "object" },
    ingest: nullable("object"),
    transform: nullable("object"),
    busSend: nullable("object"),
    busReceive: nullable("object"),
    fanOut: nullable("object"),
    deliveries: { type: "array", items: { type: "object" } },
  },
  required: ["traceId", "reason", "node", "publication", "deliveries"],
} as const;

const PARTS = { type: "array", items: PART } as const;

export const traceRoute = route({
  method: "GET",
  path: "/v1/trace",
  operationId: "trace",
  summary:
    "This node's parts of a trace that was made lately, whether or not traces are exported; none when it has none (any more). Several nodes may have parts of one.",
  access: "admin",
  query: { id: traceId },
  result: {
    type: "object",
    properties: { node: NODE, id: { type: "string" }, parts: PARTS },
    required: ["node", "id", "parts"],
  },
  codes: [],
  handle: ({ context, query: { id } }) => {
    const { traces } = context.api;
    return { content: { node: traces.node, id, parts: traces.find(id) } };
  },
});

export const tracesRoute = route({
  method: "GET",
  path: "/v1/traces",
  operationId: "traces",
  summary: "The newest parts of traces this node has made, newest first.",
  access: "admin",
  query: { limit: withDefault(integer(1, MAX_TRACES, "Parts at most."), DEFAULT_LIMIT) },
  result: {
    type: "object",
    properties: { node: NODE, parts: PARTS },
    required: ["node", "parts"],
  },
  codes: [],
  handle: ({ context, query: { limit } }) => {
    const { traces } = context.api;
    return { content: { node: traces.node, parts: traces.newest(limit) } };
  },
});

export const slowRoute = route({
  method: "GET",
  path: "/v1/slow",
  operationId: "slow",
  summary:
    "Subscribers of this node that got publications later than `slowMs` in the last five minutes, the slowest first.",
  access: "admin",
  query: { limit: withDefault(integer(1, MAX_SLOW, "Entries at most."), DEFAULT_LIMIT) },
  result: {
    type: "object",
    properties: {
      node: NODE,
      slow: {
        type: "array",
        items: {
          type: "object",
          properties: {
            connection: { type: "string" },
            user: nullable("string"),
            channel: { type: "string" },
            worstMs: { type: "number", description: "Longest time it took." },
            count: { type: "integer", description: "Late publications." },
            seenBy: {
              enum: ["receipt", "queue"],
              description: "The client's own report, or this node's queue for it.",
            },
            lastAtMs: { type: "integer", description: "ms since 1970." },
            traceId: nullable("string"),
          },
          required: ["connection", "user", "channel", "worstMs", "count", "seenBy", "lastAtMs"],
        },
      },
    },
    required: ["node", "slow"],
  },
  codes: [],
  handle: ({ context, query: { limit } }) => {
    const { traces } = context.api;
    return { content: { node: traces.node, slow: traces.slow(limit) } };
  },
});

const RULE = {
  type: "object",
  properties: {
    id: { type: "string" },
    channel: nullable("string"),
    user: nullable("string"),
    connection: nullable("string"),
    expiresAtMs: { type: "integer", description: "ms since 1970." },
  },
  required: ["id", "channel", "user", "connection", "expiresAtMs"],
} as const;

const RULES = {
  type: "object",
  properties: { node: NODE, rules: { type: "array", items: RULE } },
  required: ["node", "rules"],
} as const;

export const traceRulesRoute = route({
  method: "GET",
  path: "/v1/trace/rules",
  operationId: "traceRules",
  summary: "What is traced on this node because somebody asked for it.",
  access: "admin",
  result: RULES,
  codes: [],
  handle: ({ context: { api } }) => ({
    content: { node: api.traces.node, rules: api.traces.rules() },
  }),
});

const action: Schema<"add" | "remove"> = {
  json: { enum: ["add", "remove"] },
  isOptional: true,
  parse: (value, name) => {
    if (value === undefined) return "add";
    if (value === "add" || value === "remove") return value;
    throw badInput(`${name} must be add or remove`);
  },
};

export const changeTraceRulesRoute = route({
  method: "POST",
  path: "/v1/trace/rules",
  operationId: "changeTraceRules",
  summary:
    "Has every publication traced, for a while, that a channel pattern, a publishing user or connection fits (all that are given); or ends a rule by its id.",
  access: "admin",
  body: object({
    action,
    channel: optional(channelPattern("Channels; needed where no user and no connection is given.")),
    user: optional(text(MAX_ID_BYTES, "Who publishes.")),
    connection: optional(text(64, "Whose connection publishes.")),
    ttlMs: withDefault(integer(1, MAX_TRACE_RULE_MS, "How long it holds, ms."), DEFAULT_RULE_MS),
    id: optional(text(64, "Of the rule to remove.")),
  }),
  result: RULES,
  codes: [Code.badChannel, Code.overloaded, Code.notFound],
  handle: ({ context: { api }, body: { id, action: what, ...rule } }) => {
    const { traces } = api;
    if (what === "add") traces.addRule(rule);
    else if (id === null) throw badInput("give the id of the rule to remove");
    else if (!traces.removeRule(id)) throw new BrokerError(Code.notFound, "there is no such rule");
    return { content: { node: traces.node, rules: traces.rules() } };
  },
});
