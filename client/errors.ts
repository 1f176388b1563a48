import type { RetryAdvice } from "../protocol/codes.ts";
import type { ErrorReply } from "../protocol/messages/reply.ts";
import { Code, codeName, retryAdvice } from "./codes.ts";

/** What goes wrong on this side of the wire. Everything else carries a name of protocol/codes.ts. */
export type ClientErrorCode =
  /** An argument or option makes no sense; nothing was sent. */
  | "bad_argument"
  /** The application closed the client. */
  | "closed"
  /** No answer to the connect command in time. */
  | "connect_timeout"
  /** The connection ended before the answer came. */
  | "connection_lost"
  /** The payload of a publication cannot be decoded; its bytes are still there. */
  | "decode_failed"
  /** The value cannot be encoded; nothing was sent. */
  | "encode_failed"
  /** A callback of the application threw; the cause is what it threw. */
  | "listener_failed"
  /** Not connected, and told not to wait or waited long enough; nothing was sent. */
  | "not_connected"
  /** Publications that wait for a connection were given up, because the client was closed. */
  | "publications_dropped"
  /** Too much waits to be sent or answered; nothing was sent. */
  | "queue_full"
  /** No answer in time. */
  | "request_timeout"
  /** The application's token function failed. */
  | "token_failed";

export interface TickwireErrorOptions extends ErrorOptions {
  /** Number in the registry; 0 for the SDK's own codes. */
  readonly number?: number;
  readonly retry?: RetryAdvice;
  readonly retryAfterMs?: number | null;
  readonly mayHaveHappened?: boolean;
}

/** The one error class of the SDK; `code` says what happened. */
export class TickwireError extends Error {
  override readonly name = "TickwireError";
  /** A `ClientErrorCode`, or a name of protocol/codes.ts or of a newer broker: `retry` says what to do then. */
  readonly code: string;
  /** Number in the code registry or WebSocket close code; 0 for the SDK's own codes. */
  readonly number: number;
  /** Whether trying the same again can help: never, after a while, or at once. */
  readonly retry: RetryAdvice;
  /** How long the broker asks to wait before that, ms; null when it did not say. */
  readonly retryAfterMs: number | null;
  /** True when the command may have been carried out although its answer did not arrive. */
  readonly mayHaveHappened: boolean;

  constructor(code: string, message: string, options: TickwireErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.number = options.number ?? 0;
    this.retry = options.retry ?? "never";
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.mayHaveHappened = options.mayHaveHappened ?? false;
  }
}

/** What the broker says in an error reply or a push [P-8.1]. */
export function fromBroker(
  said: Pick<ErrorReply, "code" | "name" | "message"> & { readonly retryAfterMs?: number | null },
): TickwireError {
  const { name, message, code: number, retryAfterMs = null } = said;
  const mayHaveHappened = number === Code.publishUnknown;
  const retry = retryAdvice(number);
  return new TickwireError(name, message, { number, retry, retryAfterMs, mayHaveHappened });
}

/** An error for a code of the registry, or `connection_lost` for a close code of RFC 6455. */
export function fromCode(code: number, message: string): TickwireError {
  const name = codeName(code);
  return fromBroker({ code, name, message: message || `the connection ended (${code})` });
}

/** The broker broke the protocol. The connection is given up; a new one recovers what it can. */
export function badServerFrame(cause: unknown): TickwireError {
  return new TickwireError("bad_frame", `from the broker: ${String(cause)}`, {
    retry: "backoff",
    cause,
  });
}

export function badArgument(message: string): TickwireError {
  return new TickwireError("bad_argument", message);
}

export function closedError(): TickwireError {
  return new TickwireError("closed", "the client is closed");
}
