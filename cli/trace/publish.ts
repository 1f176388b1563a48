import type { Publication, TickwireClient } from "../../client/index.ts";
import type { DeliveryTrace } from "../../otel/delivery-trace.ts";
import { formatTraceparent, parseTraceparent, SAMPLED_FLAG } from "../../protocol/trace-context.ts";
import { openConnection } from "../connection.ts";
import type { Connection } from "../connection.ts";
import { CliError, ExitCode, UsageError } from "../errors.ts";
import { parseArguments } from "../options.ts";
import { print, say } from "../output.ts";
import { ask, RefusedError } from "../transform/admin.ts";
import { JSON_OPTION } from "../transform/arguments.ts";
import type { Subcommand } from "../transform/subcommand.ts";
import { channelName, durationMs } from "../values.ts";
import { formatMs } from "./format-ms.ts";
import { NODE_OPTIONS } from "./nodes.ts";
import type { NodeOptions } from "./nodes.ts";
import { partsOf } from "./show.ts";
import { spansOfParts } from "./trace-span.ts";
import { traceText } from "./trace-text.ts";

const DEFAULT_WAIT_MS = 5000;
/** Between two looks at what nodes know by now, ms. */
const LOOK_MS = 50;
/** To learn the clock of a node. */
const PINGS = 5;

const OPTIONS = {
  data: { type: "string", short: "d", value: "<text>", text: "the payload; default: none" },
  "no-subscribe": {
    type: "boolean",
    text: "do not subscribe to see it arrive; the token may be an API key then",
  },
  timeout: { type: "string", value: "<time>", text: "for it to arrive; default: 5s" },
  json: JSON_OPTION,
  ...NODE_OPTIONS,
} as const;

export const publish: Subcommand = {
  usage: "publish <channel> [--data <text>]",
  summary:
    "publishes once, traced, by the first --url, sees it arrive by the last, and shows its way",
  options: OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    const [name, ...rest] = positionals;
    if (name === undefined) throw new UsageError("publish needs a channel");
    if (rest.length > 0)
      throw new UsageError("publish takes one channel; give the payload by --data");
    const channel = channelName(name);
    const waitMs =
      options.timeout === undefined ? DEFAULT_WAIT_MS : durationMs("--timeout", options.timeout);
    const context = { traceId: randomHex(16), spanId: randomHex(8), flags: SAMPLED_FLAG };
    const watcher =
      options["no-subscribe"] === true
        ? null
        : await Watcher.start(options, channel, context.traceId);
    const clock = watcher === null ? null : await NodeClock.start(options, watcher);
    try {
      const publishedMs = performance.now();
      const deadlineMs = publishedMs + waitMs;
      const timeMs = clock?.nowMs() ?? null;
      const body = { channel, payload: options.data ?? "", timeMs };
      const refused = await send(options, body, formatTraceparent(context));
      const isExpected = watcher !== null && refused === null;
      const arrivedMs = isExpected ? await watcher.arrived(waitMs) : null;
      const parts = await gathered(options, context.traceId, deadlineMs, arrivedMs !== null);
      const spans = spansOfParts(parts);
      if (options.json === true) await print(`${JSON.stringify(spans, null, 2)}\n`);
      else if (spans.length > 0) await print(`${traceText(context.traceId, spans)}\n`);
      if (refused !== null) throw refused;
      if (spans.length === 0) throw new CliError(untraced(channel));
      if (arrivedMs === null && isExpected) {
        throw new CliError(`it did not arrive here within ${formatMs(waitMs)}`);
      }
      if (arrivedMs !== null) say(`arrived here after ${formatMs(arrivedMs - publishedMs)}`);
      return ExitCode.done;
    } finally {
      await clock?.close();
      await watcher?.close();
    }
  },
};

/** A subscriber that waits for one publication. */
class Watcher {
  /** To the last of the nodes. */
  readonly connection: Connection;
  readonly #arrived = Promise.withResolvers<number>();

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  /** @throws CliError when it cannot subscribe */
  static async start(options: NodeOptions, channel: string, traceId: string): Promise<Watcher> {
    // Where more nodes are named, it arrives by the last: so it has the longest way.
    const connection = await openConnection({
      url: options.url?.at(-1),
      token: options.token,
      wait: undefined,
    });
    const watcher = new Watcher(connection);
    const subscription = connection.client.subscribe(channel, { decode: "bytes" }, (publication) =>
      watcher.#take(publication, traceId),
    );
    try {
      await subscription.ready();
    } catch (error) {
      await watcher.close();
      const { message } = error as Error;
      const hint = "--no-subscribe goes without";
      throw new CliError(`cannot subscribe to ${channel}: ${message}; ${hint}`, { cause: error });
    }
    return watcher;
  }

  /** Monotonic ms; null when it did not come in time. */
  async arrived(withinMs: number): Promise<number | null> {
    const late = Promise.withResolvers<null>();
    const timer = setTimeout(() => late.resolve(null), withinMs);
    const first = await Promise.race([this.#arrived.promise, late.promise]);
    clearTimeout(timer);
    return first;
  }

  #take({ meta }: Publication, traceId: string): void {
    const context = meta?.traceparent == null ? null : parseTraceparent(meta.traceparent);
    if (context?.traceId === traceId) this.#arrived.resolve(performance.now());
  }

  async close(): Promise<void> {
    await this.connection.client.close();
  }
}

/** The clock of the node that publishes, so that its trace can begin here. */
class NodeClock {
  readonly #client: TickwireClient;
  readonly #isOwn: boolean;

  private constructor(client: TickwireClient, isOwn: boolean) {
    this.#client = client;
    this.#isOwn = isOwn;
  }

  /** Null where that node tells no time, which is no reason not to publish. */
  static async start(
    { url: urls = [], token }: NodeOptions,
    { connection }: Watcher,
  ): Promise<NodeClock | null> {
    const [url] = urls;
    const isOwn = url !== urls.at(-1);
    let client: TickwireClient | null = null;
    try {
      client = isOwn
        ? (await openConnection({ url, token, wait: undefined })).client
        : connection.client;
      // What is measured is the way to the node, not how long HTTP takes to connect.
      await ask({ url, token }, "/livez");
      // The quickest answer counts.
      for (let i = 0; i < PINGS; i++) await client.ping();
      return new NodeClock(client, isOwn);
    } catch {
      if (isOwn) await client?.close();
      return null;
    }
  }

  /** ms since 1970; null when the connection was lost. */
  nowMs(): number | null {
    return this.#client.serverTimeMs;
  }

  async close(): Promise<void> {
    if (this.#isOwn) await this.#client.close();
  }
}

/** Publishes by the first node; what the broker has against it, when it refuses. */
async function send(
  { url, token }: NodeOptions,
  body: { readonly channel: string; readonly payload: string; readonly timeMs: number | null },
  traceparent: string,
): Promise<RefusedError | null> {
  try {
    await ask({ url: url?.[0], token }, "/v1/publish", body, { traceparent });
    return null;
  } catch (error) {
    if (error instanceof RefusedError) return error;
    throw error;
  }
}

/** What the nodes tell of it, once they know how it ended or time is up. */
async function gathered(
  options: NodeOptions,
  traceId: string,
  deadlineMs: number,
  hasArrived: boolean,
): Promise<DeliveryTrace[]> {
  for (;;) {
    const parts = await partsOf(options, traceId);
    // Each node tells its part when it has done it; that of the subscriber's is the last.
    const isOver = parts.some(
      ({ ingest, deliveries }) => ingest?.error != null || !hasArrived || deliveries.length > 0,
    );
    if (isOver || performance.now() >= deadlineMs) return parts;
    await Bun.sleep(LOOK_MS);
  }
}

function untraced(channel: string): string {
  return `it was published on ${channel} and not traced: that needs an API key, an admin token or one that may trace, and a node traces 100 such publications a second at most`;
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
