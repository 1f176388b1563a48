import { Code } from "../../protocol/codes.ts";
import type { ApiKeys } from "../auth/api-keys.ts";
import type { AuthGate } from "../auth/auth-gate.ts";
import { failureKey } from "../auth/failure-key.ts";
import type { BrokerConfig } from "../config/config.ts";
import { hasTokenKey } from "../config/rules.ts";
import { AccessError } from "../ports.ts";
import type { Grants, Identity } from "../ports.ts";
import { isLocalRequest } from "./origin.ts";

/** Who may call a route. */
export type Access =
  /** Everybody. */
  | "public"
  /** As `metricsPublic` says: everybody, or this machine and administrators. */
  | "metrics"
  /** An API key or an admin token; without any key configured, this machine. */
  | "admin"
  /** As `admin`, or a token that grants what is asked. */
  | "granted";

/** Who is calling. */
export interface Caller {
  /** May do everything. */
  readonly isAdmin: boolean;
  /** Of the token; null for an API key or a local caller. */
  readonly identity: Identity | null;
  /** What its publications are counted under; nothing secret. */
  readonly account: string;
}

export interface AccessParts {
  readonly config: Pick<
    BrokerConfig,
    "metricsPublic" | "tokenSecret" | "tokenPublicKey" | "jwksUrl"
  >;
  readonly apiKeys: ApiKeys;
  readonly authGate: AuthGate;
}

const NOBODY: Caller = Object.freeze({ isAdmin: false, identity: null, account: "nobody" });
const LOCAL: Caller = Object.freeze({ isAdmin: true, identity: null, account: "local" });

/** Finds out who calls and whether the route is for them. @throws AccessError */
export async function authorize(
  parts: AccessParts,
  access: Access,
  request: Request,
  address: string,
): Promise<Caller> {
  if (access === "public") return NOBODY;
  if (access === "metrics") {
    if (parts.config.metricsPublic || isLocalRequest(request, address)) return NOBODY;
  }
  const caller = await identify(parts, request, address);
  if (access !== "granted" && !caller.isAdmin)
    throw new AccessError(Code.forbidden, "this needs an API key or an admin token");
  return caller;
}

async function identify(
  { config, apiKeys, authGate }: AccessParts,
  request: Request,
  address: string,
): Promise<Caller> {
  const from = failureKey(request, address);
  const key = request.headers.get("x-api-key");
  if (key !== null) {
    authGate.admit(key, from);
    const index = apiKeys.find(key);
    if (index !== null) return callerOfKey(index);
    const error = new AccessError(Code.unauthorized, "the API key is not valid");
    authGate.failed(error, from);
    throw error;
  }
  const authorization = request.headers.get("authorization");
  if (authorization !== null) {
    const credential = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (credential === undefined)
      throw new AccessError(
        Code.unauthorized,
        "the Authorization header must be `Bearer <key or token>`",
      );
    authGate.admit(credential, from);
    const index = apiKeys.find(credential);
    if (index !== null) return callerOfKey(index);
    const identity = await authGate.verify(credential, from);
    return { isAdmin: identity.isAdmin, identity, account: `user ${identity.user ?? ""}` };
  }
  if (apiKeys.isEmpty && !hasTokenKey(config)) {
    if (isLocalRequest(request, address)) return LOCAL;
    const message = "without API keys this answers only programs on the broker's own machine";
    throw new AccessError(Code.forbidden, message);
  }
  throw new AccessError(Code.unauthorized, "an API key or a token is needed");
}

function callerOfKey(index: number): Caller {
  return { isAdmin: true, identity: null, account: `key ${index}` };
}

/** @throws AccessError forbidden when the caller's token does not grant this */
export function requireGrant(caller: Caller, grant: keyof Grants, channel: string): void {
  if (caller.isAdmin) return;
  if (caller.identity?.grants[grant](channel) !== true)
    throw new AccessError(
      Code.forbidden,
      `the token does not allow this on the channel ${channel}`,
    );
}
