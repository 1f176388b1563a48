import { Code } from "../../protocol/codes.ts";
import type { BrokerApi } from "../api.ts";
import { ApiKeys } from "../auth/api-keys.ts";
import type { AuthGate } from "../auth/auth-gate.ts";
import type { BrokerConfig } from "../config/config.ts";
import { systemClock } from "../ports.ts";
import type { Clock, Logger } from "../ports.ts";
import { authorize } from "./access.ts";
import type { AccessParts } from "./access.ts";
import { errorBody, errorResponse, HttpError, internalErrorBody } from "./http-error.ts";
import { ROUTES } from "./openapi.ts";
import { PublishRates } from "./publish-rates.ts";
import { readJson } from "./read-json.ts";
import type { BodyLimits } from "./read-json.ts";
import { parseQuery } from "./route.ts";
import type { Result, Route, RouteContext } from "./route.ts";

export interface HttpHandlerParts {
  readonly api: BrokerApi;
  readonly config: BrokerConfig;
  /** The broker's own, so that failures here and on its sockets count together. */
  readonly authGate: AuthGate;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** What /metrics answers. */
  readonly metricsText: RouteContext["metricsText"];
  /** For a whole body, ms. */
  readonly bodyTimeoutMs?: number;
}

export interface RequestInfo {
  /** Of the peer. */
  readonly address: string;
}

const BODY_TIMEOUT_MS = 30_000;

/** On every answer: none may be kept by a cache or taken for another type. */
const COMMON_HEADERS = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
} as const;

const ROUTES_BY_PATH = Map.groupBy(ROUTES, ({ path }) => path);

/** Answers requests of the server API; never rejects. */
export function createHttpHandler(
  parts: HttpHandlerParts,
): (request: Request, info: RequestInfo) => Promise<Response> {
  const { api, config, authGate, logger, clock = systemClock, metricsText } = parts;
  const access: AccessParts = { config, authGate, apiKeys: new ApiKeys(config.apiKeys) };
  const publishRates = new PublishRates(config, clock, api.stats);
  const context: RouteContext = { api, config, publishRates, metricsText };
  const limits: BodyLimits = {
    maxBytes: config.httpMaxBodyBytes,
    timeoutMs: parts.bodyTimeoutMs ?? BODY_TIMEOUT_MS,
  };
  return async (request, { address }) => {
    // A strange Host header can make the whole URL unreadable.
    const url = URL.parse(request.url);
    try {
      if (url === null) throw new HttpError(Code.badFrame, "the request has no valid URL");
      const route = findRoute(url.pathname, request.method);
      const caller = await authorize(access, route.access, request, address);
      const query = parseQuery(route, url.searchParams);
      const body = route.body?.parse(await readJson(request, limits), "the body") ?? null;
      const { headers } = request;
      const result = await route.handle({ context, caller, query, body, headers });
      return finish(answer(route, result));
    } catch (error) {
      const expected = errorBody(error);
      if (expected === null)
        logger.log("error", "http_failed", { method: request.method, path: url?.pathname, error });
      const headers = error instanceof HttpError ? error.headers : {};
      return finish(errorResponse(expected ?? internalErrorBody(), headers));
    }
  };
}

function findRoute(path: string, method: string): Route {
  const routes = ROUTES_BY_PATH.get(path);
  if (routes === undefined) throw new HttpError(Code.notFound, "there is no such path");
  const route = routes.find((one) => one.method === (method === "HEAD" ? "GET" : method));
  if (route !== undefined) return route;
  const allowed = routes.flatMap((one) => (one.method === "GET" ? ["GET", "HEAD"] : [one.method]));
  throw new HttpError(Code.unknownOp, `this path answers ${allowed.join(", ")}`, {
    status: 405,
    headers: { Allow: allowed.join(", ") },
  });
}

function answer({ resultType }: Route, { status = 200, content, contentType }: Result): Response {
  const type = contentType ?? resultType;
  if (type === undefined) return Response.json(content, { status });
  return new Response(String(content), { status, headers: { "Content-Type": type } });
}

/** Adds what every answer has. Of the answer to a HEAD, Bun sends the headers only. */
function finish(response: Response): Response {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) response.headers.set(name, value);
  return response;
}
