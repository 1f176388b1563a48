import type { CodeInfo } from "../../protocol/codes.ts";
import {
  SUBPROTOCOL_JSON,
  SUBPROTOCOL_MSGPACK,
  SUBPROTOCOL_TOKEN_PREFIX,
} from "../../protocol/version.ts";

/** How long a client that was refused for want of room is to wait, ms. */
const RETRY_AFTER_MS = 5000;

export function offeredSubprotocols(request: Request): string[] {
  const header = request.headers.get("sec-websocket-protocol");
  return header === null ? [] : header.split(",").map((name) => name.trim());
}

/** The first offered format this broker speaks; msgpack when nothing is offered at all [P-2.1]. */
export function chooseFormat(offered: readonly string[]): "msgpack" | "json" | null {
  if (offered.length === 0) return "msgpack";
  for (const name of offered) {
    if (name === SUBPROTOCOL_MSGPACK) return "msgpack";
    if (name === SUBPROTOCOL_JSON) return "json";
  }
  return null;
}

/** A token in the Authorization header or among the subprotocols [P-4.2] [P-4.3]. */
export function requestToken(request: Request, offered: readonly string[]): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "");
  if (bearer?.[1] !== undefined) return bearer[1];
  const name = offered.find((item) => item.startsWith(SUBPROTOCOL_TOKEN_PREFIX));
  return name === undefined ? null : name.slice(SUBPROTOCOL_TOKEN_PREFIX.length);
}

/** Answers a handshake that goes no further, in the form of the HTTP API's errors. */
export function refuseHandshake(
  { code, name, httpStatus }: CodeInfo,
  message: string,
  {
    status = httpStatus,
    retryAfterMs = null,
  }: { readonly status?: number; readonly retryAfterMs?: number | null } = {},
): Response {
  const headers: Record<string, string> = {};
  if (status === 401) headers["WWW-Authenticate"] = "Bearer";
  if (status === 429 || status === 503)
    headers["Retry-After"] = String(Math.ceil((retryAfterMs ?? RETRY_AFTER_MS) / 1000));
  const wait = retryAfterMs === null ? {} : { retryAfterMs };
  return Response.json({ error: { code, name, message, ...wait } }, { status, headers });
}
