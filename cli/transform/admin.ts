import { CliError, UsageError } from "../errors.ts";

const DEFAULT_URL = "http://127.0.0.1:9300";
/** A deploy loads, sets up and tests in a worker before it answers. */
const ANSWER_MS = 120_000;

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
  readonly message?: string;
  readonly name?: string;
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
 * @throws CliError when it cannot be reached; RefusedError
 */
export async function ask(
  options: AdminOptions,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const base = brokerUrl(options.url ?? process.env["TICKWIRE_URL"] ?? DEFAULT_URL);
  const token = options.token ?? process.env["TICKWIRE_TOKEN"] ?? "";
  let response: Response;
  try {
    response = await fetch(new URL(path, base), {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch (error) {
    const { message } = error as Error;
    throw new CliError(`cannot reach a broker at ${base}: ${message}`, { cause: error });
  }
  const text = await response.text();
  const answer = parsed(text);
  if (response.ok) return answer;
  throw new RefusedError(refusal(base, response.status, answer), response.status);
}

function refusal(base: string, status: number, answer: unknown): string {
  const { error } = (answer ?? {}) as { readonly error?: ErrorAnswer };
  if (error?.message === undefined) return `${base} answers ${status}`;
  const { fault } = error;
  const lines = (fault?.issues ?? []).map(({ path, message }) => `\n  ${path}: ${message}`);
  const place =
    fault?.file == null ? "" : `\n  at ${fault.file}${fault.line === null ? "" : `:${fault.line}`}`;
  return `${base} refuses: ${error.message} (${error.name ?? status})${lines.join("")}${place}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Something else than a broker answered.
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
