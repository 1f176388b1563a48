import protobuf from "protobufjs";

type Field = readonly [number: number, type: string, rule?: "repeated"];

/** Messages of OTLP by their published field numbers; oneof fields stand like any other. */
const MESSAGES: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  ExportTraceServiceRequest: { resourceSpans: [1, "ResourceSpans", "repeated"] },
  ResourceSpans: {
    resource: [1, "Resource"],
    scopeSpans: [2, "ScopeSpans", "repeated"],
    schemaUrl: [3, "string"],
  },
  ScopeSpans: {
    scope: [1, "InstrumentationScope"],
    spans: [2, "Span", "repeated"],
    schemaUrl: [3, "string"],
  },
  Span: {
    traceId: [1, "bytes"],
    spanId: [2, "bytes"],
    traceState: [3, "string"],
    parentSpanId: [4, "bytes"],
    name: [5, "string"],
    kind: [6, "int32"],
    startTimeUnixNano: [7, "fixed64"],
    endTimeUnixNano: [8, "fixed64"],
    attributes: [9, "KeyValue", "repeated"],
    droppedAttributesCount: [10, "uint32"],
    events: [11, "Event", "repeated"],
    droppedEventsCount: [12, "uint32"],
    links: [13, "Link", "repeated"],
    droppedLinksCount: [14, "uint32"],
    status: [15, "Status"],
    flags: [16, "fixed32"],
  },
  Event: {
    timeUnixNano: [1, "fixed64"],
    name: [2, "string"],
    attributes: [3, "KeyValue", "repeated"],
    droppedAttributesCount: [4, "uint32"],
  },
  Link: {
    traceId: [1, "bytes"],
    spanId: [2, "bytes"],
    traceState: [3, "string"],
    attributes: [4, "KeyValue", "repeated"],
    droppedAttributesCount: [5, "uint32"],
    flags: [6, "fixed32"],
  },
  Status: { message: [2, "string"], code: [3, "int32"] },
  Resource: { attributes: [1, "KeyValue", "repeated"], droppedAttributesCount: [2, "uint32"] },
  InstrumentationScope: {
    name: [1, "string"],
    version: [2, "string"],
    attributes: [3, "KeyValue", "repeated"],
    droppedAttributesCount: [4, "uint32"],
  },
  KeyValue: { key: [1, "string"], value: [2, "AnyValue"] },
  AnyValue: {
    stringValue: [1, "string"],
    boolValue: [2, "bool"],
    intValue: [3, "int64"],
    doubleValue: [4, "double"],
    arrayValue: [5, "ArrayValue"],
    kvlistValue: [6, "KeyValueList"],
    bytesValue: [7, "bytes"],
  },
  ArrayValue: { values: [1, "AnyValue", "repeated"] },
  KeyValueList: { values: [1, "KeyValue", "repeated"] },

  ExportMetricsServiceRequest: { resourceMetrics: [1, "ResourceMetrics", "repeated"] },
  ResourceMetrics: {
    resource: [1, "Resource"],
    scopeMetrics: [2, "ScopeMetrics", "repeated"],
    schemaUrl: [3, "string"],
  },
  ScopeMetrics: {
    scope: [1, "InstrumentationScope"],
    metrics: [2, "Metric", "repeated"],
    schemaUrl: [3, "string"],
  },
  Metric: {
    name: [1, "string"],
    description: [2, "string"],
    unit: [3, "string"],
    gauge: [5, "Gauge"],
    sum: [7, "Sum"],
    histogram: [9, "Histogram"],
  },
  Gauge: { dataPoints: [1, "NumberDataPoint", "repeated"] },
  Sum: {
    dataPoints: [1, "NumberDataPoint", "repeated"],
    aggregationTemporality: [2, "int32"],
    isMonotonic: [3, "bool"],
  },
  Histogram: {
    dataPoints: [1, "HistogramDataPoint", "repeated"],
    aggregationTemporality: [2, "int32"],
  },
  NumberDataPoint: {
    startTimeUnixNano: [2, "fixed64"],
    timeUnixNano: [3, "fixed64"],
    asDouble: [4, "double"],
    asInt: [6, "sfixed64"],
    attributes: [7, "KeyValue", "repeated"],
    flags: [8, "uint32"],
  },
  HistogramDataPoint: {
    startTimeUnixNano: [2, "fixed64"],
    timeUnixNano: [3, "fixed64"],
    count: [4, "fixed64"],
    sum: [5, "double"],
    bucketCounts: [6, "fixed64", "repeated"],
    explicitBounds: [7, "double", "repeated"],
    attributes: [9, "KeyValue", "repeated"],
    flags: [10, "uint32"],
    min: [11, "double"],
    max: [12, "double"],
  },
};

const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(MESSAGES).map(([name, fields]) => [
      name,
      {
        fields: Object.fromEntries(
          Object.entries(fields).map(([field, [id, type, rule]]) => [
            field,
            rule === undefined ? { id, type } : { id, type, rule },
          ]),
        ),
      },
    ]),
  ),
});

/** A message as plain data: 64-bit numbers as decimal text, bytes as base64, what was not sent left out. */
export function decodeMessage(name: keyof typeof MESSAGES, bytes: Uint8Array): unknown {
  const type = root.lookupType(name);
  return type.toObject(type.decode(bytes), { longs: String, bytes: String });
}

/** Bytes of a message; for tests that send what no exporter of ours would. */
export function encodeMessage(name: keyof typeof MESSAGES, value: object): Uint8Array {
  const type = root.lookupType(name);
  return type.encode(type.fromObject(value)).finish();
}
