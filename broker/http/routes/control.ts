import { Code } from "../../../protocol/codes.ts";
import { MAX_ID_BYTES } from "../../auth/claims.ts";
import { badInput } from "../http-error.ts";
import { route } from "../route.ts";
import { object, optional, text } from "../schema.ts";

const CLOSED = {
  type: "object",
  properties: { closed: { type: "integer", description: "Connections that were closed." } },
  required: ["closed"],
} as const;

export const disconnectRoute = route({
  method: "POST",
  path: "/v1/disconnect",
  operationId: "disconnect",
  summary: "Closes one connection or all of a user; exactly one of both must be named.",
  access: "admin",
  body: object({
    user: optional(text(MAX_ID_BYTES, "Closes all connections of this user.")),
    connection: optional(text(64, "Closes this connection.")),
  }),
  result: CLOSED,
  codes: [],
  handle: async ({ context, body: { user, connection } }) => {
    if (user !== null && connection === null)
      return { content: { closed: await context.api.disconnect({ user }) } };
    if (user === null && connection !== null)
      return { content: { closed: await context.api.disconnect({ connection }) } };
    throw badInput("give exactly one of user and connection");
  },
});

export const revokeRoute = route({
  method: "POST",
  path: "/v1/revoke",
  operationId: "revoke",
  summary:
    "Refuses a user's tokens issued before now, or one token, and closes what is open with them; exactly one of both must be named.",
  access: "admin",
  body: object({
    user: optional(text(MAX_ID_BYTES, "`sub` of the tokens.")),
    tokenId: optional(text(MAX_ID_BYTES, "`jti` of the token.")),
  }),
  result: CLOSED,
  codes: [Code.overloaded],
  handle: async ({ context, body: { user, tokenId } }) => {
    if (user !== null && tokenId === null)
      return { content: { closed: await context.api.revoke({ user }) } };
    if (user === null && tokenId !== null)
      return { content: { closed: await context.api.revoke({ tokenId }) } };
    throw badInput("give exactly one of user and tokenId");
  },
});
