import { TickwireClient } from "../client/index.ts";
import type { ClientOptions, TickwireError } from "../client/index.ts";
import { CliError, UsageError } from "./errors.ts";
import { shownUrl, tokenHint } from "./no-answer.ts";
import type { OptionValues } from "./options.ts";
import { Sockets } from "./socket.ts";
import { durationMs } from "./values.ts";

const DEFAULT_URL = "ws://127.0.0.1:9300";
/** For one attempt to connect, ms. */
const ATTEMPT_MS = 10_000;

/** Options of every command that talks to a broker. */
export const CONNECTION_OPTIONS = {
  url: {
    type: "string",
    value: "<url>",
    text: `the broker; default: TICKWIRE_URL, else ${DEFAULT_URL}`,
  },
  token: { type: "string", value: "<jwt>", text: "access token; default: TICKWIRE_TOKEN" },
  wait: {
    type: "string",
    value: "<time>",
    text: "keep trying this long when the broker cannot be reached at the start; default: one attempt",
  },
} as const;

export interface Connection {
  readonly client: TickwireClient;
  readonly sockets: Sockets;
}

/**
 * Connects to the broker the options name. Once connected, the client reconnects by itself for ever.
 * @throws CliError when it cannot be reached or refuses
 */
export async function openConnection(
  options: OptionValues<typeof CONNECTION_OPTIONS>,
  clientOptions: ClientOptions = {},
): Promise<Connection> {
  const url = readUrl(options.url ?? process.env["TICKWIRE_URL"] ?? DEFAULT_URL);
  const token = options.token ?? process.env["TICKWIRE_TOKEN"] ?? "";
  const waitMs = options.wait === undefined ? 0 : durationMs("--wait", options.wait);
  const sockets = new Sockets();
  const client = new TickwireClient(url, {
    name: "tickwire-cli",
    connectTimeoutMs: ATTEMPT_MS,
    WebSocket: sockets.WebSocket,
    ...(token === "" ? {} : { token }),
    ...clientOptions,
  });
  try {
    await firstConnection(client, waitMs);
  } catch (error) {
    await client.close();
    const message = explain(url, error as TickwireError, sockets.lastFailure, token);
    throw new CliError(message, { cause: error });
  }
  return { client, sockets };
}

/** Tells, once for each time, that the connection was lost and that it is back. */
export function tellReconnects(
  { client, sockets }: Connection,
  tell: (text: string) => void,
): void {
  let isReconnecting = false;
  client.on("reconnecting", ({ error }) => {
    if (isReconnecting) return;
    isReconnecting = true;
    tell(`connection lost: ${sockets.lastFailure ?? error.message}; reconnecting`);
  });
  client.on("connected", () => {
    if (isReconnecting) tell("connected again");
    isReconnecting = false;
  });
}

function readUrl(text: string): string {
  const url = /^[a-z]+:\/\//i.test(text) ? text : `ws://${text}`;
  if (URL.canParse(url) && /^(ws|http)s?:$/.test(new URL(url).protocol)) return url;
  throw new UsageError(
    `${JSON.stringify(text)} is no URL of a broker; give one like ${DEFAULT_URL}`,
  );
}

/** Rejects when the client gives up, or when an attempt fails after the time to wait. */
function firstConnection(client: TickwireClient, waitMs: number): Promise<void> {
  const deadlineMs = performance.now() + waitMs;
  return new Promise((resolve, reject) => {
    client.on("reconnecting", ({ error, delayMs }) => {
      if (performance.now() + delayMs > deadlineMs) reject(error);
    });
    client.ready().then(resolve, reject);
  });
}

function explain(url: string, error: TickwireError, failure: string | null, token: string): string {
  const { code } = error;
  const shown = shownUrl(url);
  if (error.number >= 4000)
    return `${shown} refuses: ${error.message} (${code})${tokenHint(code, token)}`;
  const why = failure ?? error.message;
  return `cannot reach a broker at ${shown}: ${why}. \`tickwire serve\` starts one; --wait 30s keeps trying.`;
}
