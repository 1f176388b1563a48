import { Code } from "../../../protocol/codes.ts";
import type { PublishedResult } from "../../../protocol/messages/publish.ts";
import { requireGrant } from "../access.ts";
import { errorBody } from "../http-error.ts";
import type { ErrorBody } from "../http-error.ts";
import { publicationSchema, toPublication } from "../publication.ts";
import { route } from "../route.ts";
import type { Call } from "../route.ts";
import { list, object } from "../schema.ts";
import type { ValueOf } from "../schema.ts";

/** Publications of one batch. */
const MAX_BATCH = 1000;

const PUBLISHED = {
  type: "object",
  properties: {
    offset: {
      type: "integer",
      description:
        "Place in the channel's stream; 0 when it was taken and has none that can be named, as when a transform left it out.",
    },
    epoch: { type: "string", description: "Incarnation of the stream; empty without one." },
  },
  required: ["offset", "epoch"],
} as const;

const PUBLISH_CODES = [
  Code.badChannel,
  Code.tooLarge,
  Code.channelLimit,
  Code.tooManyRequests,
  Code.overloaded,
  Code.unavailable,
  Code.publishUnknown,
  Code.transformRejected,
  Code.transformFailed,
  Code.drain,
];

async function publishOne(
  call: Call<unknown, unknown>,
  fields: ValueOf<typeof publicationSchema>,
): Promise<PublishedResult> {
  const { channel, payload, meta } = toPublication(fields, call.caller, call.headers);
  requireGrant(call.caller, "mayPublish", channel);
  call.context.publishRates.take(call.caller, channel, payload.length);
  const { isAdmin, identity } = call.caller;
  const mayTrace = isAdmin || identity?.mayTrace === true;
  const { offset, epoch } = await call.context.api.publish(channel, payload, meta, mayTrace);
  return { offset, epoch };
}

export const publishRoute = route({
  method: "POST",
  path: "/v1/publish",
  operationId: "publish",
  summary: "Publishes on a channel; answers once the publication has its place in the stream.",
  access: "granted",
  body: publicationSchema,
  result: PUBLISHED,
  codes: PUBLISH_CODES,
  handle: async (call) => ({ content: await publishOne(call, call.body) }),
});

export const batchRoute = route({
  method: "POST",
  path: "/v1/batch",
  operationId: "publishBatch",
  summary:
    "Publishes in the given order. Each publication succeeds or fails by itself; results are in the same order.",
  access: "granted",
  body: object({
    publications: list(publicationSchema.json, MAX_BATCH, "Publications in their order."),
  }),
  result: {
    type: "object",
    properties: {
      results: {
        type: "array",
        items: { oneOf: [PUBLISHED, { $ref: "#/components/schemas/Error" }] },
      },
    },
    required: ["results"],
  },
  codes: [],
  handle: async (call) => {
    // Each publish starts before the next, so a channel gets them in order; all wait together.
    const results = call.body.publications.map((item) => batchItem(call, item));
    return { content: { results: await Promise.all(results) } };
  },
});

async function batchItem(
  call: Call<unknown, unknown>,
  item: unknown,
): Promise<PublishedResult | { readonly error: ErrorBody }> {
  try {
    return await publishOne(call, publicationSchema.parse(item, "the publication"));
  } catch (error) {
    const body = errorBody(error);
    // What nobody expected fails the request, whose boundary logs it.
    if (body === null) throw error;
    const { status: _status, ...rest } = body;
    return { error: rest };
  }
}
