import { connect } from "node:net";
import type { Socket } from "node:net";

import { WsFrameParser, WsOpcode } from "./websocket-frames.ts";
import type { WsFrame } from "./websocket-frames.ts";

export interface RawWebSocketOptions {
  readonly subprotocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** The server answered the handshake with something else than 101. */
export class HandshakeRefused extends Error {
  override readonly name = "HandshakeRefused";
  readonly status: number;

  constructor(status: number) {
    super(`the handshake was answered with HTTP ${status}`);
    this.status = status;
  }
}

/** How a connection ended: the server's close frame, or nothing but the end of the stream. */
export interface RawClose {
  /** Null without a close frame, 1005 for an empty one. */
  readonly code: number | null;
  readonly reason: string;
}

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A WebSocket client of bare bytes, for what a well-behaved one cannot send. It answers nothing by itself:
 * no pongs, no close. Waiting is for frames (`until`) or the end (`closed`), never for time.
 */
export class RawWebSocket implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #parser = new WsFrameParser();
  #waiters: Waiter[] = [];
  /** The subprotocol the server selected, or null. */
  readonly subprotocol: string | null;
  /** Every frame received, in order. */
  readonly frames: WsFrame[] = [];
  /** Resolves at the end of the stream, never rejects. */
  readonly closed: Promise<RawClose>;
  #isClosed = false;

  private constructor(socket: Socket, subprotocol: string | null, rest: Uint8Array) {
    this.#socket = socket;
    this.subprotocol = subprotocol;
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#isClosed = true;
        resolve(this.#close());
        this.#wake();
      });
    });
    socket.on("data", (bytes) => this.#received(bytes as Buffer));
    this.#received(rest);
    socket.resume();
  }

  /** Opens a connection and does the handshake. @throws HandshakeRefused */
  static async connect(url: string, options: RawWebSocketOptions = {}): Promise<RawWebSocket> {
    const { hostname, port, pathname } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    // An end by reset is an end as well: "close" follows, and tells.
    socket.on("error", () => socket.destroy());
    const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
    socket.write(handshake(pathname, `${hostname}:${port}`, key, options));
    const { head, rest } = await readHead(socket);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    if (status !== 101) {
      socket.destroy();
      throw new HandshakeRefused(status);
    }
    if (headerOf(head, "sec-websocket-accept") !== acceptOf(key)) {
      socket.destroy();
      throw new Error("the server accepted another key");
    }
    return new RawWebSocket(socket, headerOf(head, "sec-websocket-protocol"), rest);
  }

  #received(bytes: Uint8Array): void {
    this.frames.push(...this.#parser.push(bytes));
    this.#wake();
  }

  #close(): RawClose {
    const frame = this.frames.find(({ opcode }) => opcode === WsOpcode.close);
    if (frame === undefined) return { code: null, reason: "" };
    const payload = Buffer.from(frame.payload);
    if (payload.length < 2) return { code: 1005, reason: "" };
    return { code: payload.readUInt16BE(), reason: payload.subarray(2).toString("utf8") };
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ isDone, resolve, reject }) => {
      if (isDone()) resolve();
      else if (this.#isClosed) reject(new Error("the connection ended without it"));
      else return true;
      return false;
    });
  }

  /** Resolves once the condition holds; looked at whenever frames came. Rejects at the end without it. */
  until(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ isDone, resolve, reject });
      this.#wake();
    });
  }

  /** Hands bytes to the system. What is written after the end is lost, as on any socket. */
  write(...parts: readonly Uint8Array[]): void {
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(parts));
  }

  /**
   * Writes the pieces one by one. Between two of them the event loop turns, in which a server in this
   * process reads what it has.
   */
  async writePieces(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      if (this.#isClosed) return;
      this.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Takes no more from the system, so that the server's sends pile up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends our half of the TCP connection. */
  end(): void {
    this.#socket.end();
  }

  /** Cuts the TCP connection without a word. */
  destroy(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }
}

function handshake(
  path: string,
  host: string,
  key: string,
  { subprotocols = [], headers = {} }: RawWebSocketOptions,
): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    ...(subprotocols.length === 0 ? [] : [`Sec-WebSocket-Protocol: ${subprotocols.join(", ")}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function headerOf(head: string, name: string): string | null {
  const line = head.split("\r\n").find((one) => one.toLowerCase().startsWith(`${name}:`));
  return line === undefined ? null : line.slice(name.length + 1).trim();
}

/** RFC 6455 4.2.2. */
function acceptOf(key: string): string {
  const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  return new Bun.CryptoHasher("sha1").update(key + guid).digest("base64");
}

/** Reads up to the empty line; what came behind it is returned with it. */
function readHead(socket: Socket): Promise<{ head: string; rest: Uint8Array }> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const done = (): void => {
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.pause();
    };
    const onData = (bytes: Uint8Array | string): void => {
      received = Buffer.concat([received, Buffer.from(bytes)]);
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      done();
      resolve({ head: received.toString("latin1", 0, end), rest: received.subarray(end + 4) });
    };
    const onClose = (): void => {
      done();
      reject(new Error("the connection ended before the handshake did"));
    };
    socket.on("data", onData);
    socket.on("close", onClose);
  });
}
