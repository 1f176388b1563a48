import { route } from "../route.ts";

const HEALTH = {
  type: "object",
  properties: {
    isReady: { type: "boolean" },
    status: { enum: ["ok", "starting", "draining", "degraded"] },
    node: { type: "string" },
    engine: { type: "string" },
    uptimeMs: { type: "integer" },
    connections: { type: "integer" },
    shards: {
      type: "array",
      items: {
        type: "object",
        properties: { shard: { type: "integer" }, state: { enum: ["ok", "degraded", "down"] } },
        required: ["shard", "state"],
      },
    },
    transforms: {
      type: "array",
      description: "Those that do not run as they should.",
      items: {
        type: "object",
        properties: { id: { type: "string" }, state: { type: "string" } },
        required: ["id", "state"],
      },
    },
  },
  required: [
    "isReady",
    "status",
    "node",
    "engine",
    "uptimeMs",
    "connections",
    "shards",
    "transforms",
  ],
} as const;

export const healthRoute = route({
  method: "GET",
  path: "/health",
  operationId: "health",
  summary: "Whether this node should get traffic.",
  access: "public",
  result: HEALTH,
  otherStatuses: { 503: "Not now: the same report says why." },
  codes: [],
  handle: ({ context }) => {
    const report = context.api.health();
    // Anybody may ask, so where Redis is stays in the log: here shards have the numbers they have there.
    const shards = report.shards.map(({ state }, shard) => ({ shard, state }));
    return { status: report.isReady ? 200 : 503, content: { ...report, shards } };
  },
});

export const livezRoute = route({
  method: "GET",
  path: "/livez",
  operationId: "livez",
  summary: "Whether the process answers at all; restart it when it does not.",
  access: "public",
  result: { type: "object", properties: { status: { const: "alive" } }, required: ["status"] },
  codes: [],
  handle: () => ({ content: { status: "alive" } }),
});

/** Prometheus text exposition format. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export const metricsRoute = route({
  method: "GET",
  path: "/metrics",
  operationId: "metrics",
  summary:
    "Metrics in the text format of Prometheus, or as OpenMetrics with exemplars where Accept asks for it; docs/metrics.md lists them.",
  access: "metrics",
  result: { type: "string" },
  resultType: METRICS_TYPE,
  codes: [],
  handle: ({ context, headers }) => {
    const { text, contentType } = context.metricsText(headers.get("accept"));
    return { content: text, contentType };
  },
});
