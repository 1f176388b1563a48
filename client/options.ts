import type { ClientClock } from "./clock.ts";
import { systemClock } from "./clock.ts";
import { badArgument } from "./errors.ts";
import type { TokenOption } from "./token.ts";
import type { WebSocketClass } from "./transport.ts";

/** Bounds of what waits for a connection. */
export interface QueueLimits {
  readonly maxCount: number;
  readonly maxBytes: number;
}

export interface ClientOptions {
  /**
   * Access token, or a function that gets one: called for the first connection, when the token is about to
   * expire and when the broker refuses it.
   */
  readonly token?: TokenOption;
  /** What this client calls itself, for the operator's eyes; at most 64 bytes. */
  readonly name?: string;
  /** Time for one attempt to connect, the token function included, ms. Default 10 000. */
  readonly connectTimeoutMs?: number;
  /** Time for the answer to a command, ms. Default 10 000. */
  readonly requestTimeoutMs?: number;
  /**
   * What is published while there is no connection waits for one, up to these bounds; false refuses it.
   * Default 1000 publications, 1 MiB.
   */
  readonly queueWhileDisconnected?: false | Partial<QueueLimits>;
  /** Bytes that may wait for the socket before `publish` and `send` refuse. Default 16 MiB. */
  readonly maxBufferedBytes?: number;
  /** WebSocket class; the runtime's own by default. Node 20 needs one, from the package `ws` say. */
  readonly WebSocket?: WebSocketClass;
  /** Time, for tests. */
  readonly clock?: ClientClock;
  /** Chance, for tests: 0 up to 1. */
  readonly random?: () => number;
}

export interface ResolvedOptions {
  readonly name: string | null;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly queue: QueueLimits;
  readonly maxBufferedBytes: number;
  readonly WebSocket: WebSocketClass;
  readonly clock: ClientClock;
  readonly random: () => number;
}

/** @throws TickwireError `bad_argument` */
export function resolveOptions(options: ClientOptions): ResolvedOptions {
  const WebSocketOfRuntime = globalThis.WebSocket as WebSocketClass | undefined;
  const WebSocket = options.WebSocket ?? WebSocketOfRuntime;
  if (WebSocket === undefined) {
    throw badArgument("no WebSocket in this runtime: give the option WebSocket");
  }
  const queue = options.queueWhileDisconnected ?? {};
  return {
    name: options.name ?? null,
    connectTimeoutMs: positive(options, "connectTimeoutMs", 10_000),
    requestTimeoutMs: positive(options, "requestTimeoutMs", 10_000),
    queue:
      queue === false
        ? { maxCount: 0, maxBytes: 0 }
        : {
            maxCount: positive(queue, "maxCount", 1000),
            maxBytes: positive(queue, "maxBytes", 1 << 20),
          },
    maxBufferedBytes: positive(options, "maxBufferedBytes", 16 << 20),
    WebSocket,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}

/** @throws TickwireError `bad_argument` unless it is a number above 0, or left out */
export function positive<Name extends string>(
  options: { readonly [Key in Name]?: number },
  name: Name,
  fallback: number,
): number {
  const value = options[name];
  if (value === undefined) return fallback;
  if (!(value > 0)) throw badArgument(`${name} must be a number above 0`);
  return value;
}
