/** The package's `tickwire/client/tracing` entry: spans of OpenTelemetry around publishing and handling. */
import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from "@opentelemetry/api";
import type { Attributes, Context, Span, Tracer } from "@opentelemetry/api";

import type { PublishedResult } from "../protocol/messages/publish.ts";
import type { TickwireClient } from "./client.ts";
import { TickwireError } from "./errors.ts";
import type { Publication } from "./publication.ts";
import type { PublishOptions } from "./publish-options.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import { ClientAttribute, MESSAGING_SYSTEM } from "./tracing-attributes.ts";
import { PublishClock } from "./tracing-clock.ts";
import { extract, inject } from "./tracing-context.ts";

export interface TraceClientOptions {
  /** Makes the spans; the one of the registered SDK by default. */
  readonly tracer?: Tracer;
  /**
   * What a channel is called in the names of spans, which should have few values: `orders.{id}` for `orders.17`.
   * The channel itself by default.
   */
  readonly template?: (channel: string) => string;
}

type AnyChannel = string | { readonly name: string };
type Callback = (publication: Publication) => unknown;
type Publish = (channel: AnyChannel, value: unknown, options?: PublishOptions) => unknown;

/** Contexts of publications that a loop has in hand. */
const contexts = new WeakMap<Publication, Context>();

/**
 * The same client, with spans: `publish {channel}` (PRODUCER) around publishing, whose context travels with the
 * publication, and `process {channel}` (CONSUMER) around the callback or the turn of a loop that handles a
 * publication which came with a context. With a sampled one goes when it was published, once the broker's clock is
 * known. Only sampled spans cost anything on the wire, and without a registered SDK nothing is added at all. The client that was given stays as it is.
 */
export function traceClient(
  client: TickwireClient,
  options: TraceClientOptions = {},
): TickwireClient {
  const traced = new TracedClient(client, options);
  return overlay(client, {
    publish: traced.publish,
    send: traced.send,
    subscribe: traced.subscribe,
  });
}

/**
 * The context to work in for a publication: of its `process` span while a callback or a loop has it in hand, else the
 * one it came with. Callbacks have it active already; in a `for await` loop it has to be given on.
 */
export function contextOf(publication: Publication): Context {
  return contexts.get(publication) ?? extract(publication.meta) ?? ROOT_CONTEXT;
}

class TracedClient {
  readonly #client: TickwireClient;
  readonly #tracer: Tracer;
  readonly #clock: PublishClock;
  readonly #template: ((channel: string) => string) | undefined;

  constructor(client: TickwireClient, { tracer, template }: TraceClientOptions) {
    this.#client = client;
    this.#clock = new PublishClock(client);
    this.#tracer = tracer ?? trace.getTracer("tickwire-client");
    this.#template = template;
  }

  readonly publish = (
    channel: AnyChannel,
    value: unknown,
    options: PublishOptions = {},
  ): Promise<PublishedResult> => {
    const plain = this.#client.publish.bind(this.#client) as Publish;
    const call = (own: PublishOptions): Promise<PublishedResult> =>
      plain(channel, value, this.#clock.stamped(own)) as Promise<PublishedResult>;
    const span = this.#publishing(channel, options);
    if (span === null) return call(options);
    return call(withContext(span, options)).then(
      (result) => {
        span.setAttributes({
          [ClientAttribute.offset]: result.offset,
          [ClientAttribute.epoch]: result.epoch,
        });
        span.end();
        return result;
      },
      (error: unknown) => {
        fail(span, error);
        throw error;
      },
    );
  };

  readonly send = (channel: AnyChannel, value: unknown, options: PublishOptions = {}): boolean => {
    const plain = this.#client.send.bind(this.#client) as Publish;
    const call = (own: PublishOptions): boolean =>
      plain(channel, value, this.#clock.stamped(own)) as boolean;
    const span = this.#publishing(channel, options);
    if (span === null) return call(options);
    try {
      const isSent = call(withContext(span, options));
      if (isSent) span.end();
      else fail(span, new TickwireError("queue_full", "there was no room for it"));
      return isSent;
    } catch (error) {
      fail(span, error);
      throw error;
    }
  };

  readonly subscribe = (
    channel: AnyChannel,
    options: SubscribeOptions = {},
    onPublication?: Callback,
  ): Subscription => {
    const plain = this.#client.subscribe.bind(this.#client) as (
      ...args: readonly unknown[]
    ) => Subscription;
    if (onPublication === undefined) {
      const subscription = plain(channel, options);
      return overlay(subscription, {
        [Symbol.asyncIterator]: () => this.#iterator(subscription[Symbol.asyncIterator]()),
      });
    }
    return plain(channel, options, (publication: Publication) => {
      const span = this.#processing(publication);
      if (span === null) return onPublication(publication);
      return within(span, publication, onPublication);
    });
  };

  /** Each publication is in hand until the next is asked for, or the loop is left. */
  #iterator(inner: AsyncIterator<Publication, undefined>): AsyncIterator<Publication, undefined> {
    let span: Span | null = null;
    const finish = (): void => {
      span?.end();
      span = null;
    };
    return {
      next: async () => {
        finish();
        const result = await inner.next();
        if (result.done !== true) span = this.#processing(result.value);
        return result;
      },
      return: () => {
        finish();
        return inner.return?.() ?? Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  /** Null when nobody records it, or when the application gives a context of its own. */
  #publishing(channel: AnyChannel, { id, traceparent }: PublishOptions): Span | null {
    if (traceparent !== undefined) return null;
    const name = typeof channel === "string" ? channel : channel.name;
    const span = this.#tracer.startSpan(`publish ${this.#called(name)}`, {
      kind: SpanKind.PRODUCER,
      attributes: this.#attributes("publish", "send", name, id),
    });
    return span.isRecording() ? span : null;
  }

  /** Null for a publication that came without a context: it is nobody's. */
  #processing(publication: Publication): Span | null {
    const { meta, channel, epoch, offset } = publication;
    const parent = extract(meta);
    if (parent === null) return null;
    const id = meta?.id ?? (offset > 0 && epoch !== "" ? `${epoch}:${offset}` : undefined);
    const span = this.#tracer.startSpan(
      `process ${this.#called(channel)}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          ...this.#attributes("process", "process", channel, id),
          [ClientAttribute.epoch]: epoch,
          [ClientAttribute.offset]: offset,
          [ClientAttribute.bodySize]: publication.bytes.length,
        },
      },
      parent,
    );
    contexts.set(publication, trace.setSpan(parent, span));
    return span;
  }

  #called(channel: string): string {
    return this.#template?.(channel) ?? channel;
  }

  #attributes(
    operation: string,
    type: string,
    channel: string,
    id: string | undefined,
  ): Attributes {
    const { connection } = this.#client;
    const template = this.#template?.(channel);
    return {
      [ClientAttribute.system]: MESSAGING_SYSTEM,
      [ClientAttribute.operationName]: operation,
      [ClientAttribute.operationType]: type,
      [ClientAttribute.channel]: channel,
      ...(template === undefined ? {} : { [ClientAttribute.template]: template }),
      ...(connection === null ? {} : { [ClientAttribute.clientId]: connection }),
      ...(id === undefined ? {} : { [ClientAttribute.messageId]: id }),
    };
  }
}

/** An unsampled context would cost every subscriber its bytes and tell nobody anything. */
function withContext(span: Span, options: PublishOptions): PublishOptions {
  const own = span.spanContext();
  return (own.traceFlags & TraceFlags.SAMPLED) === 0 ? options : { ...options, ...inject(own) };
}

/** Calls the application's callback with its span active, until it returns or its promise is settled. */
function within(span: Span, publication: Publication, onPublication: Callback): unknown {
  try {
    const result = context.with(contextOf(publication), onPublication, undefined, publication);
    if (!(result instanceof Promise)) {
      span.end();
      return result;
    }
    // A rejection stays one: nobody handles it but the application.
    return result.then(
      (value) => {
        span.end();
        return value;
      },
      (error: unknown) => {
        fail(span, error);
        throw error;
      },
    );
  } catch (error) {
    fail(span, error);
    throw error;
  }
}

function fail(span: Span, error: unknown): void {
  const { message, name } = error instanceof Error ? error : new Error(String(error));
  const type = error instanceof TickwireError ? error.code : name;
  span.setAttribute(ClientAttribute.errorType, type);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.end();
}

/** The object with some members replaced. Its own code never sees it: private fields need the object itself. */
function overlay<Target extends object>(
  target: Target,
  members: Readonly<Record<string | symbol, unknown>>,
): Target {
  return new Proxy(target, {
    get: (_target, key) => {
      if (Object.hasOwn(members, key)) return members[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
