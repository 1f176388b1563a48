import { Code } from "../../protocol/codes.ts";
import type { CodeInfo } from "../../protocol/codes.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import { BrokerError, TransformChangeError } from "../api.ts";
import type { NodeChange, TransformFaultReport } from "../api.ts";
import { AccessError } from "../ports.ts";

/** A request refused by the HTTP layer itself, with a code of the registry. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly info: CodeInfo;
  /** The registry's status, or one that HTTP knows better (404, 405, 415). */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    info: CodeInfo,
    message: string = info.text,
    options: { status?: number; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.info = info;
    this.status = options.status ?? info.httpStatus;
    this.headers = options.headers ?? {};
  }
}

/** A parameter or field of the body is not what it must be. */
export function badInput(message: string): HttpError {
  return new HttpError(Code.badField, message);
}

/** An error as answers carry it. */
export interface ErrorBody {
  readonly code: number;
  readonly name: string;
  readonly message: string;
  readonly retryAfterMs?: number;
  /** What is wrong with a transform, and where. */
  readonly fault?: TransformFaultReport;
  /** What became of a change of a transform on each node. */
  readonly nodes?: readonly NodeChange[];
}

/** Null for what nobody expected, of which a client must learn nothing. */
export function errorBody(error: unknown): (ErrorBody & { readonly status: number }) | null {
  const isExpected =
    error instanceof HttpError ||
    error instanceof BrokerError ||
    error instanceof AccessError ||
    error instanceof ProtocolError;
  if (!isExpected) return null;
  const { code, name, httpStatus } = error.info;
  const retryAfterMs =
    error instanceof BrokerError || error instanceof AccessError ? error.retryAfterMs : null;
  const { fault, nodes } = error instanceof TransformChangeError ? error : NO_DETAILS;
  return {
    status: statusOf(error, httpStatus),
    code,
    name,
    message: error.message,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    ...(fault === null ? {} : { fault }),
    ...(nodes === null ? {} : { nodes }),
  };
}

const NO_DETAILS = { fault: null, nodes: null } as const;

/** What was asked for is well formed, and still cannot be done. */
const UNPROCESSABLE = 422;

function statusOf(error: Error, usual: number): number {
  if (error instanceof HttpError) return error.status;
  return error instanceof TransformChangeError ? UNPROCESSABLE : usual;
}

/** Error body of what nobody expected. */
export function internalErrorBody(): ErrorBody & { readonly status: number } {
  const { code, name, text, httpStatus } = Code.internal;
  return { status: httpStatus, code, name, message: text };
}

/** Pause suggested when the broker is overloaded or out of reach and did not say for how long, ms. */
const RETRY_AFTER_MS = 1000;

/** Turns an error body into the answer. */
export function errorResponse(
  { status, ...error }: ErrorBody & { readonly status: number },
  extra: Readonly<Record<string, string>> = {},
): Response {
  const headers: Record<string, string> = { ...extra };
  const retryAfterMs =
    error.retryAfterMs ?? (status === 503 || status === 429 ? RETRY_AFTER_MS : null);
  if (retryAfterMs !== null) headers["Retry-After"] = String(Math.ceil(retryAfterMs / 1000));
  if (status === 401) headers["WWW-Authenticate"] = "Bearer";
  return Response.json({ error }, { status, headers });
}
