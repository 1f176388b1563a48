import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { BrokerApi } from "../../api.ts";
import { MAX_ID_BYTES } from "../../auth/claims.ts";
import { MAX_TRACE_RULE_MS } from "../../tracing/debug-rules.ts";
import { badInput } from "../http-error.ts";
import { route } from "../route.ts";
import type { Result } from "../route.ts";
import { channelPattern, integer, object, optional, text, withDefault } from "../schema.ts";
import type { JsonSchema, Schema } from "../schema.ts";
import { COVERAGE, COVERAGE_NAMES } from "./coverage-schema.ts";

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

const NODE = { type: "string", description: "The node that answers, for all." } as const;

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
    origin: nullable("object"),
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
    "All nodes' parts of a trace that was made lately, in the order of their times, whether or not traces are exported; none when no node has one (any more).",
  access: "admin",
  query: { id: traceId },
  result: {
    type: "object",
    properties: { node: NODE, id: { type: "string" }, parts: PARTS, ...COVERAGE },
    required: ["node", "id", "parts", ...COVERAGE_NAMES],
  },
  codes: [],
  handle: async ({ context, query: { id } }) => {
    const { traces, cluster } = context.api;
    return { content: { node: traces.node, id, ...(await cluster.trace(id)) } };
  },
});

export const tracesRoute = route({
  method: "GET",
  path: "/v1/traces",
  operationId: "traces",
  summary: "The newest parts of traces that nodes have made, newest first.",
  access: "admin",
  query: { limit: withDefault(integer(1, MAX_TRACES, "Parts at most."), DEFAULT_LIMIT) },
  result: {
    type: "object",
    properties: { node: NODE, parts: PARTS, ...COVERAGE },
    required: ["node", "parts", ...COVERAGE_NAMES],
  },
  codes: [],
  handle: async ({ context, query: { limit } }) => {
    const { traces, cluster } = context.api;
    return { content: { node: traces.node, ...(await cluster.newestParts(limit)) } };
  },
});

export const slowRoute = route({
  method: "GET",
  path: "/v1/slow",
  operationId: "slow",
  summary:
    "Subscribers of all nodes that got publications later than `slowMs` in the last five minutes, the slowest first.",
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
            node: { type: "string", description: "Where it is connected." },
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
          required: [
            "node",
            "connection",
            "user",
            "channel",
            "worstMs",
            "count",
            "seenBy",
            "lastAtMs",
          ],
        },
      },
      ...COVERAGE,
    },
    required: ["node", "slow", ...COVERAGE_NAMES],
  },
  codes: [],
  handle: async ({ context, query: { limit } }) => {
    const { traces, cluster } = context.api;
    return { content: { node: traces.node, ...(await cluster.slow(limit)) } };
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
    nodes: { type: "array", items: { type: "string" }, description: "Where it holds." },
  },
  required: ["id", "channel", "user", "connection", "expiresAtMs", "nodes"],
} as const;

const RULES = {
  type: "object",
  properties: { node: NODE, rules: { type: "array", items: RULE }, ...COVERAGE },
  required: ["node", "rules", ...COVERAGE_NAMES],
} as const;

export const traceRulesRoute = route({
  method: "GET",
  path: "/v1/trace/rules",
  operationId: "traceRules",
  summary: "What is traced because somebody asked for it, and on which nodes.",
  access: "admin",
  result: RULES,
  codes: [],
  handle: async ({ context: { api } }) => rulesResult(api, await api.cluster.traceRules(null)),
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
    "Has every publication on any node traced, for a while, that a channel pattern, a publishing user or connection fits (all that are given); or ends a rule by its id.",
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
  handle: async ({ context: { api }, body: { id, action: what, ...input } }) => {
    const { traces, cluster } = api;
    if (what === "add") {
      const rule = traces.addRule(input);
      return rulesResult(api, await cluster.traceRules({ type: "set", rule }));
    }
    if (id === null) throw badInput("give the id of the rule to remove");
    const wasHere = traces.removeRule(id);
    const found = await cluster.traceRules({ type: "ended", id });
    if (!wasHere && !found.isKnown) throw new BrokerError(Code.notFound, "there is no such rule");
    return rulesResult(api, found);
  },
});

function rulesResult(
  { traces: { node } }: BrokerApi,
  told: Awaited<ReturnType<BrokerApi["cluster"]["traceRules"]>>,
): Result {
  const { rules, unreachable, failed, isPartial } = told;
  return { content: { node, rules, unreachable, failed, isPartial } };
}
