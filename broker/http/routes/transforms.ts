import { Code } from "../../../protocol/codes.ts";
import type { TransformChange } from "../../ports.ts";
import { badInput } from "../http-error.ts";
import { PAYLOAD_JSON, payloadSchema } from "../publication.ts";
import { route } from "../route.ts";
import {
  anything,
  channelName,
  channelPattern,
  integer,
  list,
  object,
  optional,
  text,
} from "../schema.ts";
import type { JsonSchema, Schema } from "../schema.ts";
import { COVERAGE, COVERAGE_NAMES } from "./coverage-schema.ts";
import { DRY_RUN_RESULT, outcomeJson, TRANSFORM_STATUS } from "./transform-schemas.ts";

const MAX_ID_CHARS = 64;
const MAX_NODE_BYTES = 64;
const MAX_USE_BYTES = 1024;
const MAX_CANARY_PATTERNS = 256;
/** Payloads of one dry run. */
const MAX_DRY_RUN = 100;

const UNPROCESSABLE = {
  422: "It cannot be taken into use; `fault` says what is wrong and where. What served before serves on.",
} as const;

const REFUSED_SOMEWHERE = {
  422: "It cannot be taken into use; `fault` says what is wrong and where, `nodes` what became of it on each. What served before serves on, or again.",
} as const;

/** One transform on one node. */
const NODE_STATUS = {
  ...TRANSFORM_STATUS,
  properties: { node: { type: "string", description: "Where." }, ...TRANSFORM_STATUS.properties },
  required: ["node", ...TRANSFORM_STATUS.required],
} as const;

const NODE_STATUSES = { type: "array", items: NODE_STATUS } as const;

export const transformsRoute = route({
  method: "GET",
  path: "/v1/transforms",
  operationId: "transforms",
  summary: "The transforms of all nodes and how they do.",
  access: "admin",
  result: {
    type: "object",
    properties: { transforms: NODE_STATUSES, ...COVERAGE },
    required: ["transforms", ...COVERAGE_NAMES],
  },
  codes: [],
  handle: async ({ context }) => ({ content: await context.api.cluster.transforms() }),
});

type Mode = Extract<TransformChange, { readonly action: "deploy" }>["mode"];

const ACTIONS = ["deploy", "promote", "rollback"] as const;

const actionSchema: Schema<(typeof ACTIONS)[number]> = {
  json: {
    enum: ACTIONS,
    description:
      "deploy loads a version and takes it into use as `mode` says; promote lets what is tried out replace what serves; rollback goes back to what served before, or ends what is tried out.",
  },
  isOptional: false,
  parse: (value, name) => {
    const action = ACTIONS.find((one) => one === value);
    if (action === undefined) throw badInput(`${name} must be one of ${ACTIONS.join(", ")}`);
    return action;
  },
};

const patternList = list(
  channelPattern("A channel pattern.").json,
  MAX_CANARY_PATTERNS,
  "Of a canary: the channels the new version serves.",
);

const modeFields = object({
  type: anything("replace, shadow or canary."),
  percent: optional(integer(1, 100, "Of a shadow: the share of publications it gets a copy of.")),
  channels: optional(patternList),
});

const modeSchema: Schema<Mode> = {
  json: {
    description:
      "replace (the default) takes over lane by lane; shadow gets copies, and nothing of it is published; canary serves the named channels only.",
    oneOf: [
      mode("replace", {}),
      mode("shadow", { percent: { type: "integer", minimum: 1, maximum: 100 } }),
      mode("canary", { channels: patternList.json }),
    ],
  },
  isOptional: false,
  parse: (value, name) => {
    const { type, percent, channels } = modeFields.parse(value, name);
    if (type === "replace" && percent === null && channels === null) return { type };
    if (type === "shadow" && percent !== null && channels === null) return { type, percent };
    if (type === "canary" && percent === null && channels !== null) {
      const pattern = channelPattern("");
      return { type, channels: channels.map((one) => pattern.parse(one, "channels")) };
    }
    throw badInput(`${name} must be replace, shadow with percent, or canary with channels`);
  },
};

function mode(type: string, fields: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return {
    type: "object",
    properties: { type: { const: type }, ...fields },
    required: ["type", ...Object.keys(fields)],
    additionalProperties: false,
  };
}

export const changeTransformRoute = route({
  method: "POST",
  path: "/v1/transforms",
  operationId: "changeTransform",
  summary:
    "Loads a version of a transform on all nodes, promotes or rolls it back; answers once that is done. A deploy or promotion that a node refuses is rolled back on the others. `use`, `config` and `mode` are for deploy.",
  access: "admin",
  body: object({
    action: actionSchema,
    id: text(MAX_ID_CHARS, "Which transform."),
    use: optional(
      text(
        MAX_USE_BYTES,
        "What to load: a package, or a file below `transformsFolder`. Default: what is bound, read anew.",
      ),
    ),
    config: anything("Its configuration; default: the one in use."),
    mode: optional(modeSchema),
    node: optional(text(MAX_NODE_BYTES, "Only on this node; default: on all.")),
  }),
  result: {
    ...NODE_STATUS,
    description: "On the node that answers, or another one where it has not got the transform.",
    properties: {
      ...NODE_STATUS.properties,
      nodes: { ...NODE_STATUSES, description: "On every node it was changed on." },
      ...COVERAGE,
    },
    required: [...NODE_STATUS.required, "nodes", ...COVERAGE_NAMES],
  },
  codes: [Code.notFound, Code.overloaded],
  errorStatuses: REFUSED_SOMEWHERE,
  handle: async ({ context, body }) => {
    const { action, id, use, config, mode: asked, node } = body;
    const { cluster } = context.api;
    if (action !== "deploy") {
      if (use !== null || config !== undefined || asked !== null)
        throw badInput("use, config and mode are for deploy");
      return { content: await cluster.changeTransform({ action, id }, node) };
    }
    const change = { action, id, use, config, mode: asked ?? { type: "replace" } } as const;
    return { content: await cluster.changeTransform(change, node) };
  },
});

export const dryRunRoute = route({
  method: "POST",
  path: "/v1/transforms/dry-run",
  operationId: "dryRunTransform",
  summary:
    "Runs payloads through a transform of this node as if they came on the channel, and publishes nothing.",
  access: "admin",
  body: object({
    id: text(MAX_ID_CHARS, "Which transform."),
    channel: channelName("The channel it sees them on."),
    payloads: list(PAYLOAD_JSON, MAX_DRY_RUN, "Payloads in their order."),
  }),
  result: DRY_RUN_RESULT,
  codes: [Code.notFound, Code.badChannel, Code.overloaded],
  errorStatuses: UNPROCESSABLE,
  handle: async ({ context, body: { id, channel, payloads } }) => {
    const bytes = payloads.map((one) => payloadSchema.parse(one, "a payload"));
    const outcomes = await context.api.dryRunTransform({ id, channel, payloads: bytes });
    return { content: { outcomes: outcomes.map(outcomeJson) } };
  },
});
