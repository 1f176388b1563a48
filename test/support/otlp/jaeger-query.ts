import { plainAttributes } from "./model.ts";
import type { OtlpSpan, Plain, PlainValue, ResourceSpans } from "./model.ts";

export interface TraceSearch {
  readonly service: string;
  readonly operation?: string;
  /** As Go writes durations: 250ms, 1.5s. */
  readonly durationMin?: string;
  readonly durationMax?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly searchDepth?: number;
}

/** A span as an SRE sees it. */
export interface FoundSpan {
  readonly service: string;
  readonly resource: Plain;
  readonly name: string;
  readonly kind: "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
  readonly traceId: string;
  readonly spanId: string;
  /** Null for a root. */
  readonly parentSpanId: string | null;
  readonly startMs: number;
  readonly durationMs: number;
  readonly attributes: Plain;
  readonly events: readonly { readonly name: string; readonly attributes: Plain }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isError: boolean;
}

export interface JaegerQueryOptions {
  /** Base of the query API. */
  readonly url: string;
  /** Resolves when it is worth asking again. */
  readonly changed: () => Promise<void>;
}

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;
/** Around now: no test looks for what is older. */
const WINDOW_MS = 3_600_000;

/** Asks Jaeger's `/api/v3`, or what answers like it. */
export class JaegerQuery {
  readonly #url: string;
  readonly #changed: () => Promise<void>;

  constructor({ url, changed }: JaegerQueryOptions) {
    this.#url = url.replace(/\/+$/, "");
    this.#changed = changed;
  }

  async services(): Promise<string[]> {
    const { services } = (await this.#get("/api/v3/services")) as { services?: string[] };
    return services ?? [];
  }

  async operations(service: string, spanKind = ""): Promise<string[]> {
    const params = new URLSearchParams({ service, ...(spanKind === "" ? {} : { spanKind }) });
    const { operations } = (await this.#get(`/api/v3/operations?${params}`)) as {
      operations?: { name: string }[];
    };
    return (operations ?? []).map(({ name }) => name);
  }

  /** Spans of every trace that one span of matches, by trace. */
  async find(search: TraceSearch): Promise<ReadonlyMap<string, readonly FoundSpan[]>> {
    const nowMs = Date.now();
    const params = new URLSearchParams({
      "query.serviceName": search.service,
      "query.startTimeMin": new Date(nowMs - WINDOW_MS).toISOString(),
      "query.startTimeMax": new Date(nowMs + WINDOW_MS).toISOString(),
      "query.searchDepth": String(search.searchDepth ?? 100),
    });
    const { operation, durationMin, durationMax, attributes } = search;
    if (operation !== undefined) params.set("query.operationName", operation);
    if (durationMin !== undefined) params.set("query.durationMin", durationMin);
    if (durationMax !== undefined) params.set("query.durationMax", durationMax);
    if (attributes !== undefined) params.set("query.attributes", JSON.stringify(attributes));
    const spans = await this.#spans(`/api/v3/traces?${params}`);
    return Map.groupBy(spans, ({ traceId }) => traceId);
  }

  /** Empty when there is no such trace. */
  async trace(traceId: string): Promise<readonly FoundSpan[]> {
    return await this.#spans(`/api/v3/traces/${traceId}`);
  }

  /** Asks until the answer satisfies the condition. The test's own timeout is the limit. */
  async until<Answer>(
    ask: (query: this) => Promise<Answer>,
    isEnough: (answer: Answer) => boolean,
  ): Promise<Answer> {
    for (;;) {
      const changed = this.#changed();
      const answer = await ask(this);
      if (isEnough(answer)) return answer;
      await changed;
    }
  }

  async #spans(path: string): Promise<FoundSpan[]> {
    const answer = (await this.#get(path)) as { result?: { resourceSpans?: ResourceSpans[] } };
    const { resourceSpans = [] } = answer.result ?? {};
    return resourceSpans.flatMap(({ resource = {}, scopeSpans = [] }) => {
      const attributes = plainAttributes(resource.attributes);
      return scopeSpans.flatMap(({ spans = [] }) => spans.map((span) => toFound(span, attributes)));
    });
  }

  async #get(path: string): Promise<unknown> {
    const response = await fetch(this.#url + path);
    // What was not found, and no service yet, are answers.
    if (response.status === 404) return {};
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return await response.json();
  }
}

function toFound(span: OtlpSpan, resource: Plain): FoundSpan {
  const { parentSpanId = "", startTimeUnixNano = "0", endTimeUnixNano = "0" } = span;
  return {
    service: textOf(resource["service.name"]),
    resource,
    name: span.name ?? "",
    kind: KINDS[span.kind ?? 0] ?? "unspecified",
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: parentSpanId === "" ? null : parentSpanId,
    startMs: Number(BigInt(startTimeUnixNano) / 1000n) / 1000,
    durationMs: Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6,
    attributes: plainAttributes(span.attributes),
    events: (span.events ?? []).map(({ name = "", attributes }) => ({
      name,
      attributes: plainAttributes(attributes),
    })),
    links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
    isError: span.status?.code === 2,
  };
}

function textOf(value: PlainValue | undefined): string {
  return typeof value === "string" ? value : "";
}
