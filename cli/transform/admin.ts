import { CliError, UsageError } from "../errors.ts";
import { noAnswerText, shownUrl, tokenHint } from "../no-answer.ts";

const DEFAULT_URL = "http://127.0.0.1:9300";
/** For a question, which the broker may pass on to all of its cluster. */
const ANSWER_MS = 20_000;
/** A deploy loads, sets up and tests in a worker before it answers. */
const CHANGE_MS = 120_000;

/** A field that the answer of a broker has: something else may answer in JSON as well. */
const FIELDS: Readonly<Record<string, string>> = {
  "GET /v1/slow": "slow",
  "GET /v1/trace": "parts",
  "GET /v1/trace/rules": "rules",
  "POST /v1/trace/rules": "rules",
  "GET /v1/transforms": "transforms",
  "POST /v1/transforms": "nodes",
  "POST /v1/transforms/dry-run": "outcomes",
};

/** Options of the commands that ask a running broker. */
export const ADMIN_OPTIONS = {
  url: {
    type: "string",
    value: "<url>",
    text: `the broker; default: TICKWIRE_URL, else ${DEFAULT_URL}`,
  },
  token: {
    type: "string",
    value: "<key>",
    text: "API key or admin token; default: TICKWIRE_TOKEN",
  },
} as const;

export interface AdminOptions {
  readonly url: string | undefined;
  readonly token: string | undefined;
}

interface ErrorAnswer {
  readonly name: string;
  readonly message: string;
  readonly fault?: {
    readonly file: string | null;
    readonly line: number | null;
    readonly issues: readonly { readonly path: string; readonly message: string }[];
  };
}

/** A broker that was reached, and refuses. */
export class RefusedError extends CliError {
  /** Of the HTTP answer. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/**
 * Asks the server API of a broker.
 * @throws CliError when it cannot be reached, or is none; RefusedError
 */
export async function ask(
  options: AdminOptions,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const base = brokerUrl(options.url ?? process.env["TICKWIRE_URL"] ?? DEFAULT_URL);
  const token = options.token ?? process.env["TICKWIRE_TOKEN"] ?? "";
  if (/[^\x21-\x7e]/.test(token)) {
    throw new UsageError("the token has a space, a line end or another character that none has");
  }
  const url = new URL(path, base);
  const method = body === undefined ? "GET" : "POST";
  const { status, text } = await send(base, url, {
    method,
    headers: {
      ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    // What it sends elsewhere is not for whoever is there, and a broker sends nobody elsewhere.
    redirect: "manual",
  });
  const answer = parsed(text);
  const isGood = status >= 200 && status < 300;
  const field = FIELDS[`${method} ${url.pathname}`];
  if (isGood && answer !== null && (field === undefined || Object.hasOwn(answer, field))) {
    return answer;
  }
  const error = answer?.["error"] as Partial<ErrorAnswer> | null | undefined;
  if (isGood || !isErrorAnswer(error)) throw new CliError(strange(shownUrl(base), status));
  throw new RefusedError(refusal(shownUrl(base), error, token), status);
}

async function send(
  base: string,
  url: URL,
  request: BunFetchRequestInit,
): Promise<{ readonly status: number; readonly text: string }> {
  const waitMs = request.method === "GET" ? ANSWER_MS : CHANGE_MS;
  try {
    const response = await fetch(url, { ...request, signal: AbortSignal.timeout(waitMs) });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    const why = noAnswerText(error, base, waitMs);
    const hint = "`tickwire serve` starts one; --url names another.";
    throw new CliError(`cannot reach a broker at ${shownUrl(base)}: ${why}. ${hint}`, {
      cause: error,
    });
  }
}

/** Of an answer that no broker gives. */
function strange(base: string, status: number): string {
  const isGateway = status >= 502 && status <= 504;
  return isGateway
    ? `${base} answers with HTTP status ${status}: what is there does not reach its broker`
    : `what answers at ${base} (HTTP status ${status}) is no Tickwire broker; --url names another`;
}

function refusal(base: string, error: ErrorAnswer, token: string): string {
  const { name, message, fault } = error;
  const lines = (fault?.issues ?? []).map((issue) => `\n  ${issue.path}: ${issue.message}`);
  const place =
    fault?.file == null ? "" : `\n  at ${fault.file}${fault.line === null ? "" : `:${fault.line}`}`;
  return `${base} refuses: ${message} (${name})${tokenHint(name, token)}${lines.join("")}${place}`;
}

function isErrorAnswer(error: Partial<ErrorAnswer> | null | undefined): error is ErrorAnswer {
  return typeof error?.name === "string" && typeof error.message === "string";
}

/** Null for what is no JSON object: something else than a broker answered. */
function parsed(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The server API is where the sockets are. */
function brokerUrl(text: string): string {
  const url = (/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`).replace(/^ws/i, "http");
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new UsageError(
    `${JSON.stringify(text)} is no URL of a broker; give one like ${DEFAULT_URL}`,
  );
}
