/** Environment variables, as the process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export type OtlpProtocol = "http/protobuf" | "http/json";

/** Where one signal goes. */
export interface SignalSettings {
  /** The whole URL, with /v1/traces or /v1/metrics. */
  readonly url: string;
  readonly protocol: OtlpProtocol;
  /** Asked for by name, and not only because there is an endpoint for everything. */
  readonly isExplicit: boolean;
}

export interface BatchSettings {
  /** Spans that may wait or be on their way. */
  readonly maxQueue: number;
  readonly maxBatch: number;
  readonly delayMs: number;
  /** For one batch, with its retries. */
  readonly timeoutMs: number;
}

/** What the standard OTEL_* variables ask for. The exporters read headers, timeouts and certificates themselves. */
export interface TelemetrySettings {
  /** Null: off. */
  readonly traces: SignalSettings | null;
  readonly metrics: SignalSettings | null;
  readonly batch: BatchSettings;
  readonly metricIntervalMs: number;
  readonly serviceName: string | null;
  /** For people: what was set and not followed, and what happens instead. */
  readonly warnings: readonly string[];
}

/**
 * The SDK encodes a batch in one go, about 10 us a span, and deliveries wait for that meanwhile. Of its own default, 512,
 * the 99th percentile of the event loop's lag is twice as high (700 traces/s of 6 spans: 7.6 and 3.9 ms, Bun 1.4.5,
 * 2026-11-22); smaller ones gain nothing more.
 */
const DEFAULT_BATCH = 128;
const DEFAULT_ENDPOINT = "http://localhost:4318";

/**
 * Reads what is asked for. Telemetry is off unless an exporter or an endpoint is named: unlike the SDK, which
 * would export to localhost. Whatever is wrong turns at most telemetry off, never the broker.
 */
export function readTelemetrySettings(env: Environment): TelemetrySettings {
  const reader = new Reader(env);
  const isDisabled = reader.text("OTEL_SDK_DISABLED")?.toLowerCase() === "true";
  const maxQueue = reader.positive("OTEL_BSP_MAX_QUEUE_SIZE", 8192);
  return {
    traces: isDisabled ? null : reader.signal("TRACES", "v1/traces"),
    metrics: isDisabled ? null : reader.signal("METRICS", "v1/metrics"),
    batch: {
      maxQueue,
      maxBatch: Math.min(
        maxQueue,
        reader.positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", DEFAULT_BATCH),
      ),
      // Short, so that who looks for a trace finds it.
      delayMs: reader.positive("OTEL_BSP_SCHEDULE_DELAY", 1000),
      timeoutMs: reader.positive("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
    },
    metricIntervalMs: reader.positive("OTEL_METRIC_EXPORT_INTERVAL", 60_000),
    serviceName: reader.text("OTEL_SERVICE_NAME"),
    warnings: reader.warnings,
  };
}

class Reader {
  readonly #env: Environment;
  readonly warnings: string[] = [];

  constructor(env: Environment) {
    this.#env = env;
  }

  /** Null when it is not set or blank, which the specification holds for the same. */
  text(name: string): string | null {
    const value = this.#env[name]?.trim() ?? "";
    return value === "" ? null : value;
  }

  positive(name: string, fallback: number): number {
    const text = this.text(name);
    if (text === null) return fallback;
    const value = Number(text);
    if (Number.isInteger(value) && value > 0 && value <= 2 ** 31 - 1) return value;
    this.warnings.push(`${name} must be a whole number above 0; ${fallback} is used`);
    return fallback;
  }

  signal(signal: "TRACES" | "METRICS", path: string): SignalSettings | null {
    const variable = `OTEL_${signal}_EXPORTER`;
    const names = (this.text(variable) ?? "").split(",").map((name) => name.trim());
    const unknown = names.filter((name) => !["", "otlp", "none"].includes(name));
    if (unknown.length > 0) {
      this.warnings.push(
        `${variable}: only otlp and none are known here, not ${unknown.join(", ")}`,
      );
    }
    const endpoint = this.text(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`);
    const base = this.text("OTEL_EXPORTER_OTLP_ENDPOINT");
    const isNamed = names.includes("otlp");
    if (names.includes("none") || (unknown.length > 0 && !isNamed)) return null;
    if (!isNamed && endpoint === null && base === null) return null;
    const source =
      endpoint === null ? "OTEL_EXPORTER_OTLP_ENDPOINT" : `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`;
    // An endpoint of one signal is used as it is; to the common one the path is added.
    const url = endpoint ?? `${(base ?? DEFAULT_ENDPOINT).replace(/\/+$/, "")}/${path}`;
    const protocol = URL.parse(url)?.protocol;
    if (protocol !== "http:" && protocol !== "https:") {
      this.warnings.push(
        `${source} must be a URL such as ${DEFAULT_ENDPOINT}; ${signal.toLowerCase()} are not exported`,
      );
      return null;
    }
    return { url, protocol: this.#protocol(signal), isExplicit: isNamed || endpoint !== null };
  }

  #protocol(signal: string): OtlpProtocol {
    const own = `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`;
    const name = this.text(own) === null ? "OTEL_EXPORTER_OTLP_PROTOCOL" : own;
    const value = this.text(name) ?? "http/protobuf";
    if (value === "http/protobuf" || value === "http/json") return value;
    const port = value === "grpc" ? "; give the collector's HTTP port, by custom 4318" : "";
    this.warnings.push(`${name}: ${value} is not spoken here, http/protobuf is used${port}`);
    return "http/protobuf";
  }
}
