import { gunzipSync } from "node:zlib";

import { decodeMetrics, decodeTraces, MalformedExport } from "./decode.ts";
import { answerJaeger } from "./jaeger-api.ts";
import type { OtlpMetric, OtlpSpan, ResourceMetrics } from "./model.ts";
import { SpanStore } from "./span-store.ts";

/** What came with one export. */
export interface ReceivedExport {
  readonly path: string;
  readonly contentType: string;
  readonly encoding: string | null;
  readonly headers: Headers;
  readonly byteCount: number;
}

/** How exports are answered: taken, refused with a status, or left without an answer. */
export type ReceiverBehaviour =
  | { readonly type: "take" }
  | { readonly type: "refuse"; readonly status: number }
  | { readonly type: "hang" };

/**
 * A collector on a free port: takes real OTLP over HTTP, protobuf or JSON, and answers Jaeger's query API from it. Every
 * byte is decoded by the published field numbers, and what the specification forbids is answered with 400 and kept in
 * `malformed`.
 */
export class OtlpReceiver implements AsyncDisposable {
  readonly store = new SpanStore();
  readonly exports: ReceivedExport[] = [];
  readonly malformed: string[] = [];
  readonly resourceMetrics: ResourceMetrics[] = [];
  behaviour: ReceiverBehaviour = { type: "take" };
  readonly #server: Bun.Server<undefined>;
  readonly #release = Promise.withResolvers<void>();
  #waiters: (() => void)[] = [];

  constructor(port = 0) {
    this.#server = Bun.serve({
      port,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
    });
  }

  /** Value of OTEL_EXPORTER_OTLP_ENDPOINT, and the query API's base. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  get spans(): readonly OtlpSpan[] {
    return this.store.spans;
  }

  /** Of the newest export, by name. */
  get metrics(): ReadonlyMap<string, OtlpMetric> {
    const newest = this.resourceMetrics.at(-1)?.scopeMetrics ?? [];
    const all = newest.flatMap(({ metrics = [] }) => metrics);
    return new Map(all.map((metric) => [metric.name ?? "", metric]));
  }

  /** Resolves when something more has come in. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  async until(isEnough: (receiver: this) => boolean): Promise<void> {
    while (!isEnough(this)) await this.changed();
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (request.method === "GET") {
      return answerJaeger(this.store, url) ?? new Response("no such path", { status: 404 });
    }
    const raw = new Uint8Array(await request.arrayBuffer());
    const contentType = request.headers.get("content-type") ?? "";
    const encoding = request.headers.get("content-encoding");
    const { headers } = request;
    const { behaviour } = this;
    this.exports.push({
      path: url.pathname,
      contentType,
      encoding,
      headers,
      byteCount: raw.byteLength,
    });
    try {
      if (behaviour.type === "hang") {
        this.#wake();
        await this.#release.promise;
        return new Response(null, { status: 503 });
      }
      if (behaviour.type === "refuse") return new Response("no", { status: behaviour.status });
      return this.#take(url.pathname, encoding === "gzip" ? gunzipSync(raw) : raw, contentType);
    } finally {
      this.#wake();
    }
  }

  #take(path: string, bytes: Uint8Array, contentType: string): Response {
    try {
      if (path === "/v1/traces") this.store.add(decodeTraces(bytes, contentType));
      else if (path === "/v1/metrics")
        this.resourceMetrics.push(...decodeMetrics(bytes, contentType));
      else return new Response("no such path", { status: 404 });
    } catch (error) {
      if (!(error instanceof MalformedExport)) throw error;
      this.malformed.push(error.message);
      return new Response(error.message, { status: 400 });
    }
    // An empty answer is a full success in both forms.
    const body = contentType.startsWith("application/json") ? "{}" : new Uint8Array();
    return new Response(body, { headers: { "content-type": contentType } });
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#release.resolve();
    await this.#server.stop(true);
  }
}
