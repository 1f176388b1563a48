import { Code } from "../../../protocol/codes.ts";
import { jsonPayload } from "../../../protocol/json-codec.ts";
import {
  MAX_CHANNEL_BYTES,
  MAX_EPOCH_BYTES,
  MAX_HISTORY_LIMIT,
  MAX_OFFSET,
} from "../../../protocol/limits.ts";
import type { HistoryItem } from "../../../protocol/messages/history.ts";
import { MAX_ID_BYTES } from "../../auth/claims.ts";
import { requireGrant } from "../access.ts";
import { badInput } from "../http-error.ts";
import { PAYLOAD_JSON } from "../publication.ts";
import { route } from "../route.ts";
import { channelName, channelPattern, integer, optional, text, withDefault } from "../schema.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

const nullable = (type: string): { readonly type: readonly string[] } => ({ type: [type, "null"] });

export const historyRoute = route({
  method: "GET",
  path: "/v1/history",
  operationId: "history",
  summary:
    "Kept publications of a channel: the newest, or those after a position, which takes both offset and epoch.",
  access: "granted",
  query: {
    channel: channelName("Whose history."),
    limit: withDefault(
      integer(0, MAX_HISTORY_LIMIT, "Publications at most; 0 asks for the position alone."),
      DEFAULT_LIMIT,
    ),
    offset: optional(integer(0, MAX_OFFSET, "Offset of the last publication seen.")),
    epoch: optional(text(MAX_EPOCH_BYTES, "Epoch of that offset.")),
  },
  result: {
    type: "object",
    properties: {
      epoch: { type: "string" },
      offset: { type: "integer", description: "Offset of the newest publication." },
      complete: {
        type: "boolean",
        description: "False when publications after the position are gone.",
      },
      publications: {
        type: "array",
        items: {
          type: "object",
          properties: {
            offset: { type: "integer" },
            payload: PAYLOAD_JSON,
            id: { type: "string" },
            key: { type: "string" },
            headers: { type: "object", additionalProperties: { type: "string" } },
            timeMs: { type: "integer", description: "When the broker took it, ms since 1970." },
            user: { type: "string" },
            traceparent: { type: "string" },
            tracestate: { type: "string" },
          },
          required: ["offset", "payload"],
        },
      },
    },
    required: ["epoch", "offset", "complete", "publications"],
  },
  codes: [Code.badChannel, Code.disabled, Code.unavailable, Code.overloaded, Code.drain],
  handle: async ({ context, caller, query }) => {
    const { channel, limit, offset, epoch } = query;
    if ((offset === null) !== (epoch === null))
      throw badInput("give both offset and epoch, or none");
    requireGrant(caller, "maySubscribe", channel);
    const since = offset === null || epoch === null ? null : { offset, epoch };
    const history = await context.api.history(channel, { limit, since });
    return {
      content: {
        epoch: history.epoch,
        offset: history.offset,
        complete: history.complete,
        publications: history.publications.map(publicationJson),
      },
    };
  },
});

/** Of the meta, only what is there. */
function publicationJson({ offset, payload, meta }: HistoryItem): Record<string, unknown> {
  const item: Record<string, unknown> = { offset, payload: jsonPayload(payload) };
  for (const [name, value] of Object.entries(meta ?? {})) {
    if (value !== null) item[name] = value instanceof Map ? Object.fromEntries(value) : value;
  }
  return item;
}

export const presenceRoute = route({
  method: "GET",
  path: "/v1/presence",
  operationId: "presence",
  summary: "Connections present on a channel.",
  access: "granted",
  query: { channel: channelName("Whose presence.") },
  result: {
    type: "object",
    properties: {
      members: {
        type: "array",
        items: {
          type: "object",
          properties: { connection: { type: "string" }, user: nullable("string") },
          required: ["connection", "user"],
        },
      },
    },
    required: ["members"],
  },
  codes: [Code.badChannel, Code.disabled, Code.unavailable, Code.overloaded, Code.drain],
  handle: async ({ context, caller, query }) => {
    requireGrant(caller, "mayPresence", query.channel);
    const members = await context.api.presence(query.channel);
    return { content: { members: members.map(({ connection, user }) => ({ connection, user })) } };
  },
});

const limit = withDefault(integer(1, MAX_LIMIT, "Entries at most."), DEFAULT_LIMIT);

/** A full page says where the next one starts. */
function nextOf(keys: readonly string[], max: number): string | null {
  return keys.length < max ? null : (keys.at(-1) ?? null);
}

const NEXT = {
  ...nullable("string"),
  description: "What to give as `after` for the next page; null when this is the last.",
};

export const channelsRoute = route({
  method: "GET",
  path: "/v1/channels",
  operationId: "channels",
  summary: "Channels that some node holds, by name; over Redis, of all nodes.",
  access: "admin",
  query: {
    pattern: withDefault(channelPattern("Which channels."), ">"),
    limit,
    after: optional(text(MAX_CHANNEL_BYTES, "Names after this one.")),
  },
  result: {
    type: "object",
    properties: {
      channels: {
        type: "array",
        items: {
          type: "object",
          properties: {
            name: { type: "string" },
            subscribers: {
              type: "integer",
              description: "On all nodes together; of other nodes as of about a second ago.",
            },
            epoch: { type: "string" },
            offset: { type: "integer" },
          },
          required: ["name", "subscribers", "epoch", "offset"],
        },
      },
      next: NEXT,
    },
    required: ["channels", "next"],
  },
  codes: [Code.badChannel],
  handle: async ({ context, query }) => {
    const channels = await context.api.channels(query);
    const next = nextOf(
      channels.map(({ name }) => name),
      query.limit,
    );
    return { content: { channels, next } };
  },
});

export const connectionsRoute = route({
  method: "GET",
  path: "/v1/connections",
  operationId: "connections",
  summary: "Open connections, by id; over Redis, of all nodes.",
  access: "admin",
  query: {
    user: optional(text(MAX_ID_BYTES, "Only this user's.")),
    limit,
    after: optional(text(64, "Connections after this id.")),
  },
  result: {
    type: "object",
    properties: {
      connections: {
        type: "array",
        items: {
          type: "object",
          properties: {
            connection: { type: "string" },
            user: nullable("string"),
            node: { type: "string" },
            sinceMs: { type: "integer", description: "When it connected, ms since 1970." },
            address: { type: "string" },
            client: nullable("string"),
            format: { enum: ["msgpack", "json"] },
            subscriptions: { type: "integer" },
            queuedBytes: {
              type: "integer",
              description:
                "Bytes that wait for this client; on other nodes as of about a second ago.",
            },
          },
          required: ["connection", "user", "node", "sinceMs", "address", "format"],
        },
      },
      next: NEXT,
    },
    required: ["connections", "next"],
  },
  codes: [],
  handle: async ({ context, query }) => {
    const connections = await context.api.connections(query);
    const next = nextOf(
      connections.map(({ connection }) => connection),
      query.limit,
    );
    return { content: { connections, next } };
  },
});
