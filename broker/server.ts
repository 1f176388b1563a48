import type { Server, ServerWebSocket, WebSocketHandler } from "bun";

import { Code } from "../protocol/codes.ts";
import type { CodeInfo } from "../protocol/codes.ts";
import { MAX_CLOSE_REASON_BYTES } from "../protocol/limits.ts";
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from "../protocol/version.ts";
import { failureKey } from "./auth/failure-key.ts";
import { AccessError } from "./ports.ts";
import type { Identity } from "./ports.ts";
import {
  chooseFormat,
  offeredSubprotocols,
  refuseHandshake,
  requestToken,
} from "./sessions/handshake.ts";
import type { Session } from "./sessions/session.ts";
import { SendStatus } from "./sessions/socket.ts";
import type { Socket } from "./sessions/socket.ts";

/** What the HTTP request of a WebSocket said before it became one. */
export interface Handshake {
  readonly format: "msgpack" | "json";
  readonly address: string;
  /** Whom failed authentications count against; null for nobody. */
  readonly failureKey: string | null;
  /** Verified already when the request carried a token. */
  readonly identity: Identity | null;
}

/** What the server asks of the broker. */
export interface ServerHost {
  /** Null lets the upgrade go on; a response refuses it. */
  refuse(request: Request, address: string): Response | null;
  /** Verifies a token that came with the request. */
  authenticate(token: string, failureKey: string | null): Promise<Identity>;
  opened(socket: Socket, handshake: Handshake): Session;
  received(session: Session, message: Uint8Array | string): void;
  writable(session: Session): void;
  heard(session: Session): void;
  closed(session: Session, code: number): void;
  /** Answers a request that is not a WebSocket handshake. */
  request(request: Request, address: string): Promise<Response>;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  readonly maxMessageBytes: number;
  /** Bytes Bun may hold for one socket before it is cut; far above our own bound, a last resort. */
  readonly backpressureLimitBytes: number;
}

/**
 * How long a client that is closed while bytes wait for it may take to read them and the Close frame, ms. Bun by
 * itself cuts a closing socket within seconds, and then the client never learns why.
 */
const CLOSE_GRACE_MS = 30_000;

interface SocketData {
  readonly handshake: Handshake;
  /** Null before it is opened, and from when it is closing. */
  session: Session | null;
  closing: { readonly code: number; readonly reason: string; readonly timer: Timer } | null;
}

type Timer = ReturnType<typeof setTimeout>;

type BunSocket = ServerWebSocket<SocketData>;

/** The only file that knows Bun.serve and ServerWebSocket. */
export class BrokerServer {
  readonly #server: Server<SocketData>;
  readonly #host: ServerHost;

  constructor(host: ServerHost, options: ServerOptions) {
    this.#host = host;
    this.#server = Bun.serve<SocketData>({
      hostname: options.host,
      port: options.port,
      reusePort: options.reusePort,
      development: false,
      fetch: (request, server) => this.#fetch(request, server),
      error: () => new Response("internal error\n", { status: 500 }),
      websocket: webSocketHandler(host, options),
    });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  /** Sockets that are open, those that only wait for their Close frame to be read among them. */
  get socketCount(): number {
    return this.#server.pendingWebSockets;
  }

  /** Takes no new connections; open ones go on. */
  stopListening(): void {
    void this.#server.stop(false);
  }

  /** Cuts whatever is still open. */
  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  async #fetch(request: Request, server: Server<SocketData>): Promise<Response | undefined> {
    const address = server.requestIP(request)?.address ?? "";
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return this.#host.request(request, address);
    }
    const refusal = this.#host.refuse(request, address);
    if (refusal !== null) return refusal;
    const offered = offeredSubprotocols(request);
    const format = chooseFormat(offered);
    if (format === null)
      return refuseHandshake(Code.badFrame, "no subprotocol of this broker offered");
    const token = requestToken(request, offered);
    const key = failureKey(request, address);
    let identity: Identity | null = null;
    if (token !== null) {
      try {
        identity = await this.#host.authenticate(token, key);
      } catch (error) {
        if (!(error instanceof AccessError)) throw error;
        return refuseHandshake(error.info, error.message, { retryAfterMs: error.retryAfterMs });
      }
      // While the token was being verified others may have taken the last place.
      const late = this.#host.refuse(request, address);
      if (late !== null) return late;
    }
    const headers: Record<string, string> =
      offered.length === 0
        ? {}
        : { "Sec-WebSocket-Protocol": format === "json" ? SUBPROTOCOL_JSON : SUBPROTOCOL_MSGPACK };
    const handshake = { format, address, failureKey: key, identity };
    const data = { handshake, session: null, closing: null };
    if (server.upgrade(request, { headers, data })) return undefined;
    return refuseHandshake(Code.badFrame, "not a WebSocket handshake", { status: 426 });
  }
}

function webSocketHandler(host: ServerHost, options: ServerOptions): WebSocketHandler<SocketData> {
  return {
    maxPayloadLength: options.maxMessageBytes,
    backpressureLimit: options.backpressureLimitBytes,
    closeOnBackpressureLimit: true,
    perMessageDeflate: false,
    // Silence is judged by the broker, which knows what the client was told; Bun's own timer is reset
    // by our sends and so finds no half-dead peer. In seconds.
    idleTimeout: 0,
    sendPings: false,
    open(ws) {
      // Plain views cost less to make than Buffers, and nothing here needs a Buffer.
      ws.binaryType = "uint8array";
      ws.data.session = host.opened(new BunWebSocket(ws, host), ws.data.handshake);
    },
    message(ws, message) {
      const { session } = ws.data;
      if (session !== null) host.received(session, message);
    },
    drain(ws) {
      const { session, closing } = ws.data;
      if (session !== null) host.writable(session);
      else if (closing !== null) ws.close(closing.code, closing.reason);
    },
    ping(ws) {
      const { session } = ws.data;
      if (session !== null) host.heard(session);
    },
    pong(ws) {
      const { session } = ws.data;
      if (session !== null) host.heard(session);
    },
    close(ws, code) {
      const { session, closing } = ws.data;
      if (closing !== null) clearTimeout(closing.timer);
      if (session !== null) host.closed(session, code);
    },
  };
}

/** Bun's socket behind the broker's interface: the one interpreter of its send status. */
class BunWebSocket implements Socket {
  readonly #ws: BunSocket;
  readonly #host: ServerHost;

  constructor(ws: BunSocket, host: ServerHost) {
    this.#ws = ws;
    this.#host = host;
  }

  sendBytes(bytes: Uint8Array): SendStatus {
    const status = this.#ws.sendBinary(bytes);
    return status > 0 ? SendStatus.sent : status < 0 ? SendStatus.queued : SendStatus.dropped;
  }

  sendText(text: string): SendStatus {
    const status = this.#ws.sendText(text);
    return status > 0 ? SendStatus.sent : status < 0 ? SendStatus.queued : SendStatus.dropped;
  }

  close({ code }: CodeInfo, text: string): void {
    const ws = this.#ws;
    const { session } = ws.data;
    // Reasons are ASCII, so characters are bytes.
    const reason = text.slice(0, MAX_CLOSE_REASON_BYTES);
    if (session === null || ws.getBufferedAmount() === 0) {
      ws.close(code, reason);
      return;
    }
    // The session ends now; its socket when the client has read what is on its way.
    const timer = setTimeout(() => ws.terminate(), CLOSE_GRACE_MS);
    timer.unref();
    ws.data.closing = { code, reason, timer };
    ws.data.session = null;
    this.#host.closed(session, code);
  }

  ping(): void {
    this.#ws.ping();
  }

  bufferedBytes(): number {
    return this.#ws.getBufferedAmount();
  }
}
