import { TickwireClient } from "../../../client/index.ts";
import type { ClientOptions, Publication, Subscription } from "../../../client/index.ts";
import { startBrokerProcess } from "../process.ts";
import type { BrokerProcess } from "../process.ts";
import type { FoundSpan } from "./jaeger-query.ts";
import type { TraceBackend } from "./trace-backend.ts";

/** Options of namespaces that matter here. */
export interface TracedNamespace {
  readonly pattern: string;
  readonly traceRate?: number;
  readonly slowMs?: number;
  readonly historySize?: number;
}

export interface TracedBrokerOptions {
  readonly namespaces?: readonly TracedNamespace[];
  /** Of the command line. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** `tickwire serve` in a process of its own that exports to the backend. Nothing is sampled unless asked for. */
export function startTracedBroker(
  backend: Pick<TraceBackend, "env">,
  { namespaces = [], args = [], env = {} }: TracedBrokerOptions = {},
): Promise<BrokerProcess> {
  const common = ["--trace-rate", "0", "--drain-ms", "0"];
  const all = [...common, "--namespaces", JSON.stringify(namespaces), ...args];
  return startBrokerProcess(all, { ...backend.env, ...env });
}

/** A client that subscribes, and what it gets. */
export class TracedSubscriber implements AsyncDisposable {
  readonly client: TickwireClient;
  readonly publications: Publication[] = [];
  #waiters: (() => void)[] = [];

  private constructor(client: TickwireClient) {
    this.client = client;
  }

  static async start(
    url: string,
    channel: string,
    options: ClientOptions = {},
  ): Promise<TracedSubscriber> {
    const client = new TickwireClient(url, options);
    const subscriber = new TracedSubscriber(client);
    const subscription: Subscription = client.subscribe(channel, {}, (publication) =>
      subscriber.#take(publication),
    );
    await subscription.ready();
    return subscriber;
  }

  /** Resolves when so many have come in all. */
  async count(count: number): Promise<void> {
    while (this.publications.length < count) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #take(publication: Publication): void {
    this.publications.push(publication);
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}

/** The only span of this name. @throws when there is none, or more */
export function spanNamed(spans: readonly FoundSpan[], name: string): FoundSpan {
  const [found, ...more] = spans.filter((span) => span.name === name);
  if (found === undefined || more.length > 0) {
    const names = spans.map((span) => span.name).join(", ");
    throw new Error(`${more.length + (found === undefined ? 0 : 1)} spans ${name} among: ${names}`);
  }
  return found;
}

/** Whether spans of all these names are there. */
export function hasSpans(spans: readonly FoundSpan[], ...names: readonly string[]): boolean {
  return names.every((name) => spans.some((span) => span.name === name));
}

/** Names of spans whose parent is not in the trace. */
export function orphansOf(spans: readonly FoundSpan[]): string[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return spans
    .filter(({ parentSpanId }) => parentSpanId !== null && !ids.has(parentSpanId))
    .map(({ name }) => name);
}
