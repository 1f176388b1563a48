import type {
  AnyValue,
  KeyValue,
  OtlpResource,
  OtlpScope,
  OtlpSpan,
  ResourceSpans,
} from "./model.ts";

/** A search as Jaeger has it; all of it must hold for one and the same span. */
export interface TraceQuery {
  readonly service: string;
  readonly operation: string;
  readonly startMinNano: bigint;
  readonly startMaxNano: bigint;
  /** 0: no bound. */
  readonly durationMinNano: bigint;
  readonly durationMaxNano: bigint;
  readonly attributes: ReadonlyMap<string, string>;
  readonly searchDepth: number;
}

interface StoredSpan {
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
  readonly span: OtlpSpan;
}

const KINDS = ["", "internal", "server", "client", "producer", "consumer"];

/** Spans, and Jaeger's rules for finding them. */
export class SpanStore {
  /** By trace, the newest trace last. */
  readonly #traces = new Map<string, StoredSpan[]>();

  get spans(): readonly OtlpSpan[] {
    return [...this.#traces.values()].flat().map(({ span }) => span);
  }

  add(batches: readonly ResourceSpans[]): void {
    for (const { resource = {}, scopeSpans = [] } of batches) {
      for (const { scope = {}, spans = [] } of scopeSpans) {
        for (const span of spans) {
          const known = this.#traces.get(span.traceId) ?? [];
          known.push({ resource, scope, span });
          this.#traces.set(span.traceId, known);
        }
      }
    }
  }

  services(): string[] {
    const all = [...this.#traces.values()].flat();
    return [...new Set(all.map(serviceOf))].filter((name) => name !== "").toSorted();
  }

  operations(service: string, kind: string): { name: string; spanKind: string }[] {
    const found = new Map<string, { name: string; spanKind: string }>();
    for (const stored of [...this.#traces.values()].flat()) {
      const { name = "", kind: number = 0 } = stored.span;
      const spanKind = KINDS[number] ?? "";
      if (serviceOf(stored) !== service || (kind !== "" && spanKind !== kind)) continue;
      found.set(`${spanKind} ${name}`, { name, spanKind: spanKind || "internal" });
    }
    return [...found.values()];
  }

  /** Whole traces, the newest first. */
  find(query: TraceQuery): ResourceSpans[][] {
    const found: ResourceSpans[][] = [];
    for (const stored of [...this.#traces.values()].toReversed()) {
      if (found.length === query.searchDepth) break;
      if (stored.some((one) => isMatch(one, query))) found.push(toResourceSpans(stored));
    }
    return found;
  }

  trace(traceId: string): ResourceSpans[] {
    return toResourceSpans(this.#traces.get(traceId) ?? []);
  }
}

function toResourceSpans(stored: readonly StoredSpan[]): ResourceSpans[] {
  return [...Map.groupBy(stored, ({ resource }) => resource)].map(([resource, spans]) => ({
    resource,
    scopeSpans: [...Map.groupBy(spans, ({ scope }) => scope)].map(([scope, ofScope]) => ({
      scope,
      spans: ofScope.map(({ span }) => span),
    })),
  }));
}

function serviceOf({ resource }: StoredSpan): string {
  return textOf(resource.attributes, "service.name") ?? "";
}

function isMatch(stored: StoredSpan, query: TraceQuery): boolean {
  const { span } = stored;
  if (query.service !== "" && query.service !== serviceOf(stored)) return false;
  if (query.operation !== "" && query.operation !== span.name) return false;
  const startNano = BigInt(span.startTimeUnixNano ?? 0);
  const durationNano = BigInt(span.endTimeUnixNano ?? 0) - startNano;
  if (startNano < query.startMinNano || startNano > query.startMaxNano) return false;
  if (durationNano < query.durationMinNano) return false;
  if (query.durationMaxNano > 0n && durationNano > query.durationMaxNano) return false;
  return [...query.attributes].every(([key, value]) => hasAttribute(stored, key, value));
}

function hasAttribute({ resource, scope, span }: StoredSpan, key: string, value: string): boolean {
  switch (key) {
    case "error":
      // Asked for with false, a span must say that it is well: unset is neither.
      if (/^(1|t|true)$/i.test(value)) return span.status?.code === 2;
      return /^(0|f|false)$/i.test(value) && span.status?.code === 1;
    case "span.status":
      return (
        (span.status?.code ?? 0) === Math.max(0, ["", "OK", "ERROR"].indexOf(value.toUpperCase()))
      );
    case "span.kind":
      return KINDS[span.kind ?? 0] === value.toLowerCase();
    case "scope.name":
      return scope.name === value;
    case "scope.version":
      return scope.version === value;
  }
  if (key.startsWith("resource.")) {
    return textOf(resource.attributes, key.slice("resource.".length)) === value;
  }
  const places = [
    span.attributes,
    scope.attributes,
    resource.attributes,
    ...(span.events ?? []).map(({ attributes }) => attributes),
    ...(span.links ?? []).map(({ attributes }) => attributes),
  ];
  return places.some((attributes) => textOf(attributes, key) === value);
}

function textOf(attributes: readonly KeyValue[] = [], key: string): string | undefined {
  const found = attributes.find((one) => one.key === key);
  return found === undefined ? undefined : asText(found.value);
}

function asText(value: AnyValue = {}): string {
  const plain = value.stringValue ?? value.boolValue ?? value.intValue ?? value.doubleValue;
  return plain === undefined ? JSON.stringify(value) : String(plain);
}
