import { Code } from "../../protocol/codes.ts";
import type { CodeInfo } from "../../protocol/codes.ts";
import type { BrokerApi } from "../api.ts";
import type { BrokerConfig } from "../config/config.ts";
import type { Access, Caller } from "./access.ts";
import { badInput } from "./http-error.ts";
import type { PublishRates } from "./publish-rates.ts";
import { object } from "./schema.ts";
import type { Fields, FieldValues, JsonSchema, Schema } from "./schema.ts";

/** Text of a type that depends on the request. */
export interface MetricsText {
  readonly text: string;
  readonly contentType: string;
}

/** What handlers work with. */
export interface RouteContext {
  readonly api: BrokerApi;
  readonly config: BrokerConfig;
  readonly publishRates: PublishRates;
  /** In the form the scraper's Accept header asks for. */
  readonly metricsText: (accept: string | null) => MetricsText;
}

export interface Call<Query, Body> {
  readonly context: RouteContext;
  readonly caller: Caller;
  readonly query: Query;
  readonly body: Body;
  readonly headers: Headers;
}

/** What a route answers when all is well. */
export interface Result {
  readonly status?: number;
  /** Written as JSON, unless the route or this answer has a type of its own. */
  readonly content: unknown;
  readonly contentType?: string;
}

interface RouteInfo {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly access: Access;
  /** Of the answer with status 200. */
  readonly result: JsonSchema;
  readonly resultType?: string;
  /** Refusals of its own, besides those every route of its kind may give. */
  readonly codes: readonly CodeInfo[];
  /** Statuses other than 200 that carry a result and no error. */
  readonly otherStatuses?: Readonly<Record<number, string>>;
  /** Statuses of its own for refusals, where HTTP knows better than the code. */
  readonly errorStatuses?: Readonly<Record<number, string>>;
}

/** One operation: what dispatches it, checks its input and describes it in the OpenAPI document. */
export interface Route extends RouteInfo {
  readonly query: Fields;
  readonly body: Schema<unknown> | null;
  handle(call: Call<unknown, unknown>): Promise<Result>;
}

/** Makes a route whose handler gets checked input. */
export function route<Query extends Fields, Body = null>(
  info: RouteInfo & {
    readonly query?: Query;
    readonly body?: Schema<Body>;
    readonly handle: (call: Call<FieldValues<Query>, Body>) => Promise<Result> | Result;
  },
): Route {
  return {
    ...info,
    query: info.query ?? {},
    body: info.body ?? null,
    handle: async (call) => info.handle(call as Call<FieldValues<Query>, Body>),
  };
}

/** Checks the query: every name known and given once. @throws HttpError */
export function parseQuery({ access, query }: Route, params: URLSearchParams): unknown {
  // Probes and scrapers add what they like, and what takes no credentials takes no parameters.
  if (access === "public" || access === "metrics") return {};
  const given: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of params) {
    if (name in given) throw badInput(`the parameter ${name.slice(0, 64)} is given twice`);
    given[name] = value;
  }
  return object(query).parse(given, "the query");
}

/** Every refusal a route may answer with, its own and those of its kind. */
export function codesOf({ access, codes, body }: Route): readonly CodeInfo[] {
  const all = new Set<CodeInfo>([Code.internal, ...codes]);
  if (access === "granted" || access === "admin") all.add(Code.badField);
  if (access !== "public") {
    for (const info of [Code.unauthorized, Code.forbidden, Code.revoked]) all.add(info);
    for (const info of [Code.tokenExpired, Code.unavailable, Code.tooManyRequests]) all.add(info);
  }
  if (body !== null) all.add(Code.badFrame).add(Code.tooLarge);
  return [...all].toSorted((a, b) => a.code - b.code);
}
