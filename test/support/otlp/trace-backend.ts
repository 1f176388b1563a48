import { JaegerQuery } from "./jaeger-query.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";

/** How long a real backend is left alone between two questions, ms. */
const PAUSE_MS = 100;

/** Where traces go and are looked for: a real Jaeger, or a receiver that answers like it. */
export interface TraceBackend extends AsyncDisposable {
  /** For the processes that export; `OTEL_SERVICE_NAME` is of this backend alone. */
  readonly env: Readonly<Record<string, string>>;
  readonly service: string;
  readonly query: JaegerQuery;
  /** Null with a real Jaeger. */
  readonly receiver: OtlpReceiver | null;
}

/** Whether the tests run against a real Jaeger. */
export function hasRealJaeger(): boolean {
  return (process.env["JAEGER_URL"] ?? "") !== "";
}

/**
 * With `JAEGER_URL`, the base of the query API, and `OTEL_EXPORTER_OTLP_ENDPOINT` set, the real one; else a receiver of
 * our own.
 */
export function startTraceBackend(): TraceBackend {
  const service = `tickwire-test-${crypto.randomUUID()}`;
  const url = process.env["JAEGER_URL"] ?? "";
  if (url !== "") {
    const endpoint = process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "";
    if (endpoint === "") throw new Error("JAEGER_URL needs OTEL_EXPORTER_OTLP_ENDPOINT beside it");
    const changed = (): Promise<void> => Bun.sleep(PAUSE_MS);
    return {
      env: environment(endpoint, service),
      service,
      query: new JaegerQuery({ url, changed }),
      receiver: null,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const receiver = new OtlpReceiver();
  const changed = (): Promise<void> => receiver.changed();
  return {
    env: environment(receiver.url, service),
    service,
    query: new JaegerQuery({ url: receiver.url, changed }),
    receiver,
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
  };
}

function environment(endpoint: string, service: string): Record<string, string> {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_SERVICE_NAME: service,
    // Jaeger takes no metrics.
    OTEL_METRICS_EXPORTER: "none",
    OTEL_BSP_SCHEDULE_DELAY: "50",
  };
}
