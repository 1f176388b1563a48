import type { OtlpLink, OtlpSpan, ResourceMetrics, ResourceSpans } from "./model.ts";
import { decodeMessage } from "./schema.ts";

/** What a collector answers with 400. */
export class MalformedExport extends Error {
  override readonly name = "MalformedExport";
}

/** Reads a request by its content type. @throws MalformedExport */
export function decodeTraces(bytes: Uint8Array, contentType: string): readonly ResourceSpans[] {
  const isJson = isJsonType(contentType);
  const request = read(() =>
    isJson ? parseJson(bytes) : decodeMessage("ExportTraceServiceRequest", bytes),
  ) as { resourceSpans?: ResourceSpans[] };
  return (request.resourceSpans ?? []).map(({ resource, scopeSpans = [] }) => ({
    resource: resource ?? {},
    scopeSpans: scopeSpans.map(({ scope, spans = [] }) => ({
      scope: scope ?? {},
      spans: spans.map((span) => checked(isJson ? span : withHexIds(span))),
    })),
  }));
}

/** Reads a request by its content type. @throws MalformedExport */
export function decodeMetrics(bytes: Uint8Array, contentType: string): readonly ResourceMetrics[] {
  const request = read(() =>
    isJsonType(contentType)
      ? parseJson(bytes)
      : decodeMessage("ExportMetricsServiceRequest", bytes),
  ) as { resourceMetrics?: ResourceMetrics[] };
  return request.resourceMetrics ?? [];
}

function isJsonType(contentType: string): boolean {
  const type = contentType.split(";")[0]?.trim();
  if (type === "application/json") return true;
  if (type === "application/x-protobuf") return false;
  throw new MalformedExport(`the content type ${contentType} is not one of OTLP`);
}

function read(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (cause) {
    throw new MalformedExport("the body cannot be read", { cause });
  }
}

function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

function withHexIds(span: OtlpSpan): OtlpSpan {
  const { parentSpanId, links } = span;
  return {
    ...span,
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    ...(parentSpanId === undefined || parentSpanId === ""
      ? {}
      : { parentSpanId: hex(parentSpanId) }),
    ...(links === undefined ? {} : { links: links.map(linkWithHexIds) }),
  };
}

function linkWithHexIds(link: OtlpLink): OtlpLink {
  return { ...link, traceId: hex(link.traceId), spanId: hex(link.spanId) };
}

function hex(base64 = ""): string {
  return Buffer.from(base64, "base64").toString("hex");
}

/** Ids and times as the specification wants them; a backend drops what is not so. */
function checked(span: OtlpSpan): OtlpSpan {
  const { traceId, spanId, parentSpanId = "", links = [] } = span;
  const ids: [string, number][] = [
    [traceId, 32],
    [spanId, 16],
    ...(parentSpanId === "" ? [] : ([[parentSpanId, 16]] satisfies [string, number][])),
    ...links.flatMap((link): [string, number][] => [
      [link.traceId, 32],
      [link.spanId, 16],
    ]),
  ];
  for (const [id, length] of ids) {
    if (!/^[0-9a-f]+$/.test(id) || id.length !== length || /^0+$/.test(id))
      throw new MalformedExport(`${id} is no id of ${length} hex digits`);
  }
  const startNano = BigInt(span.startTimeUnixNano ?? 0);
  const endNano = BigInt(span.endTimeUnixNano ?? 0);
  if (startNano <= 0n || endNano < startNano)
    throw new MalformedExport(
      `the span ${span.name ?? ""} ends before it starts, or never started`,
    );
  return span;
}
