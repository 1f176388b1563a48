import { decodeBinary } from "../../../protocol/binary-codec.ts";
import { jsonPayload } from "../../../protocol/json-codec.ts";
import { metaField } from "../../../protocol/messages/meta.ts";
import type { TransformEmission, TransformOutcome } from "../../ports.ts";
import { PAYLOAD_JSON } from "../publication.ts";

const counts = (description: string): object => ({
  type: "object",
  additionalProperties: { type: "integer" },
  description,
});

const quantiles = (description: string): object => ({
  type: "object",
  properties: { p50: { type: "number" }, p99: { type: "number" } },
  required: ["p50", "p99"],
  description,
});

const TEXTS = { type: "array", items: { type: "string" } } as const;

export const TRANSFORM_STATUS = {
  type: "object",
  properties: {
    id: { type: "string" },
    use: { type: "string", description: "What is loaded." },
    name: { type: "string", description: "What the transform calls itself." },
    version: { type: "string" },
    previousVersion: {
      type: ["string", "null"],
      description: "What a rollback goes back to; null without one.",
    },
    channels: TEXTS,
    onError: { type: "string" },
    isolation: { enum: ["thread", "process"] },
    state: {
      enum: ["starting", "running", "degraded", "tripped", "failed"],
      description: "tripped: it failed so often that its failure policy applies to everything.",
    },
    workers: { type: "integer" },
    lanes: { type: "integer", description: "Channels (or keys) with something under way." },
    queued: { type: "integer", description: "Publications that wait for a worker." },
    verdicts: counts("Publications by what became of them."),
    faults: counts("By type."),
    restarts: counts("Of workers, by reason."),
    custom: {
      type: "object",
      description: "What the transform itself counts and observes, by name.",
      additionalProperties: {
        type: "object",
        properties: { sum: { type: "number" }, count: { type: "integer" } },
        required: ["sum", "count"],
      },
    },
    queueMs: quantiles("Waiting for a worker, ms."),
    runMs: quantiles("In a worker, ms."),
    heapBytes: { type: "integer" },
    recentFaults: {
      type: "array",
      items: {
        type: "object",
        properties: {
          atMs: { type: "number" },
          type: { type: "string" },
          message: { type: "string" },
          channel: { type: ["string", "null"] },
        },
        required: ["atMs", "type", "message", "channel"],
      },
      description: "The newest last.",
    },
    rollout: {
      description:
        "Report of the version that is, or was last, tried out as shadow or canary; null without one.",
    },
  },
  required: [
    "id",
    "use",
    "name",
    "version",
    "previousVersion",
    "channels",
    "onError",
    "isolation",
    "state",
    "workers",
    "lanes",
    "queued",
    "verdicts",
    "faults",
    "restarts",
    "custom",
    "queueMs",
    "runMs",
    "heapBytes",
    "recentFaults",
    "rollout",
  ],
} as const;

export const DRY_RUN_RESULT = {
  type: "object",
  properties: {
    outcomes: {
      type: "array",
      description: "Of each payload, in their order.",
      items: {
        type: "object",
        properties: {
          type: { enum: ["publish", "drop", "dead-letter", "reject"] },
          payload: PAYLOAD_JSON,
          headers: { type: "object", additionalProperties: { type: "string" } },
          reason: { enum: ["verdict", "failed", "shed"] },
          channel: { type: "string", description: "Of a dead letter." },
          code: { type: "string", description: "Of a publication that is refused." },
          message: {
            type: "string",
            description: "Why it is refused, or what the transform says of its drop.",
          },
          emissions: {
            type: "array",
            items: {
              type: "object",
              properties: {
                channel: { type: "string" },
                payload: PAYLOAD_JSON,
                key: { type: ["string", "null"] },
              },
              required: ["channel", "payload", "key"],
            },
          },
          runMs: { type: ["number", "null"], description: "Time of its batch in the worker." },
          fault: {
            type: ["object", "null"],
            properties: { type: { type: "string" }, message: { type: "string" } },
          },
        },
        required: ["type", "runMs", "fault"],
      },
    },
  },
  required: ["outcomes"],
} as const;

/** One outcome of a dry run, as the schema says. */
export function outcomeJson(outcome: TransformOutcome): Record<string, unknown> {
  const { timing } = outcome;
  const common = {
    runMs: timing === null ? null : timing.endedMs - timing.startedMs,
    fault: timing?.fault ?? null,
  };
  switch (outcome.type) {
    case "publish": {
      const { bytes, start, end, meta, emissions } = outcome;
      const headers = meta === null ? null : metaField(decodeBinary(meta, 0, meta.length)).headers;
      return {
        type: outcome.type,
        payload: jsonPayload(bytes.slice(start, end)),
        headers: Object.fromEntries(headers ?? []),
        emissions: emissions.map(emissionJson),
        ...common,
      };
    }
    case "drop": {
      const { type, reason, message, emissions } = outcome;
      const said = message === undefined ? {} : { message };
      return { type, reason, ...said, emissions: emissions.map(emissionJson), ...common };
    }
    case "dead-letter": {
      const { type, channel, bytes, headers } = outcome;
      const payload = jsonPayload(bytes);
      return { type, channel, payload, headers: Object.fromEntries(headers), ...common };
    }
    case "reject": {
      const { code, message } = outcome.error;
      return { type: outcome.type, code, message, ...common };
    }
  }
}

function emissionJson({ channel, bytes, key }: TransformEmission): Record<string, unknown> {
  return { channel, payload: jsonPayload(bytes), key };
}
