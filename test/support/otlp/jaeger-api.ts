import type { ResourceSpans } from "./model.ts";
import type { SpanStore, TraceQuery } from "./span-store.ts";

const DEFAULT_DEPTH = 20;

/** Answers the part of Jaeger's `/api/v3` that our documentation teaches; null for any other path. */
export function answerJaeger(store: SpanStore, url: URL): Response | null {
  const { pathname, searchParams } = url;
  const trace = /^\/api\/v3\/traces\/([^/]+)$/.exec(pathname);
  try {
    if (trace !== null) return answerTrace(store, trace[1] ?? "");
    switch (pathname) {
      case "/api/v3/services":
        return Response.json({ services: store.services() });
      case "/api/v3/operations": {
        const service = searchParams.get("service") ?? "";
        const kind = searchParams.get("spanKind") ?? "";
        return Response.json({ operations: store.operations(service, kind) });
      }
      case "/api/v3/traces":
        return answerFound(store.find(parseQuery(searchParams)).flat());
      default:
        return null;
    }
  } catch (error) {
    if (error instanceof BadParameter) return refused(400, error.message);
    throw error;
  }
}

class BadParameter extends Error {}

function answerTrace(store: SpanStore, id: string): Response {
  if (!/^[0-9a-f]{1,32}$/i.test(id)) throw new BadParameter("malformed parameter trace_id");
  return answerFound(store.trace(id.toLowerCase().padStart(32, "0")));
}

function answerFound(resourceSpans: readonly ResourceSpans[]): Response {
  if (resourceSpans.length === 0) return refused(404, "No traces found");
  return Response.json({ result: { resourceSpans } });
}

function refused(httpCode: number, message: string): Response {
  return Response.json({ error: { httpCode, message } }, { status: httpCode });
}

function parseQuery(params: URLSearchParams): TraceQuery {
  const text = (name: string): string => params.get(`query.${name}`) ?? "";
  if (text("startTimeMin") === "" || text("startTimeMax") === "")
    throw new BadParameter("query.startTimeMin and query.startTimeMax are required");
  const depth = text("searchDepth");
  if (!/^\d*$/.test(depth)) throw new BadParameter("malformed parameter query.searchDepth");
  return {
    service: text("serviceName"),
    operation: text("operationName"),
    startMinNano: timeNano("startTimeMin", text("startTimeMin")),
    startMaxNano: timeNano("startTimeMax", text("startTimeMax")),
    durationMinNano: durationNano("durationMin", text("durationMin")),
    durationMaxNano: durationNano("durationMax", text("durationMax")),
    attributes: attributesOf(text("attributes")),
    searchDepth: depth === "" ? DEFAULT_DEPTH : Number(depth),
  };
}

/** RFC 3339, with up to nine digits of a second. */
function timeNano(name: string, text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(ms)) throw new BadParameter(`malformed parameter query.${name}`);
  return BigInt(ms) * 1_000_000n + BigInt((match?.[2] ?? "").padEnd(9, "0"));
}

const UNIT_NANO = new Map([
  ["ns", 1],
  ["us", 1e3],
  ["ms", 1e6],
  ["s", 1e9],
  ["m", 60e9],
  ["h", 3600e9],
]);

/** As Go writes them: 250ms, 1.5s, 1m30s. A number needs its unit. */
function durationNano(name: string, text: string): bigint {
  if (!/^(\d+(\.\d+)?(ns|us|ms|s|m|h))*$/.test(text))
    throw new BadParameter(`malformed parameter query.${name}`);
  let nano = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g)) {
    nano += Number(amount) * (UNIT_NANO.get(unit ?? "") ?? 0);
  }
  return BigInt(Math.round(nano));
}

/** A JSON object of texts only. */
function attributesOf(text: string): ReadonlyMap<string, string> {
  if (text === "") return new Map();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BadParameter("malformed parameter query.attributes");
  }
  const entries = Object.entries(value as Record<string, unknown>);
  if (entries.some(([, one]) => typeof one !== "string"))
    throw new BadParameter("malformed parameter query.attributes");
  return new Map(entries as [string, string][]);
}
