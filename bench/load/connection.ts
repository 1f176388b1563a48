import { randomBytes } from "node:crypto";

import type { Socket } from "bun";

import { clientFrame, FrameScanner, WsOpcode } from "./ws-frame.ts";
import type { FrameVisitor } from "./ws-frame.ts";

/** Where a connection goes. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
  /** Path and query of the upgrade request. */
  readonly path: string;
  readonly subprotocol: string | null;
}

/** Who uses a connection. */
export interface ConnectionUser {
  message(bytes: Uint8Array, start: number, end: number): void;
  /** Everything that one read brought has been handed over. */
  readEnded(): void;
  /** The connection is of no more use; called once, and not after `close()`. */
  failed(error: Error): void;
}

/** Bytes waiting for a broker that does not read; past this the cell is given up. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/** Longest upgrade answer that is looked at. */
const MAX_RESPONSE_BYTES = 8192;

/**
 * A WebSocket client on a plain TCP socket. It exists because Bun's own client costs several times what
 * the broker spends on a delivery, and the broker would then be measured waiting for its load.
 */
export class Connection implements FrameVisitor {
  readonly #user: ConnectionUser;
  readonly #scanner = new FrameScanner();
  #socket: Socket | null = null;
  #upgraded: PromiseWithResolvers<void> | null = Promise.withResolvers();
  #response: Uint8Array = new Uint8Array(0);
  #backlog: Uint8Array[] = [];
  #backlogBytes = 0;
  #fences: (() => void)[] = [];
  #isClosed = false;

  private constructor(user: ConnectionUser) {
    this.#user = user;
  }

  /** Connects and upgrades. @throws Error when the server refuses */
  static async open(address: Address, user: ConnectionUser): Promise<Connection> {
    const connection = new Connection(user);
    const upgraded = connection.#upgraded?.promise;
    connection.#socket = await Bun.connect({
      hostname: address.hostname,
      port: address.port,
      socket: {
        data: (_, chunk) => connection.#read(chunk),
        drain: () => connection.#flush(),
        close: () => connection.#fail(new Error("the server closed the connection")),
        error: (_, error) => connection.#fail(error),
      },
    });
    connection.#socket.setNoDelay(true);
    connection.write(new TextEncoder().encode(upgradeRequest(address)));
    await upgraded;
    return connection;
  }

  /** Sends bytes that hold whole client frames. They may be overwritten afterwards. */
  write(bytes: Uint8Array): void {
    if (this.#isClosed || this.#socket === null) return;
    const written = this.#backlog.length === 0 ? this.#socket.write(bytes) : 0;
    if (written >= bytes.length) return;
    if (written < 0) return this.#fail(new Error("the server closed the connection"));
    this.#backlog.push(bytes.slice(written));
    this.#backlogBytes += bytes.length - written;
    if (this.#backlogBytes > MAX_BACKLOG_BYTES) this.#fail(new Error("the broker does not read"));
  }

  /** Sends one message. */
  send(payload: Uint8Array): void {
    this.write(clientFrame(WsOpcode.binary, payload));
  }

  /** Resolves when the server has answered a ping: what it sent before has then arrived. */
  fence(): Promise<void> {
    return new Promise((resolve) => {
      this.#fences.push(resolve);
      this.write(clientFrame(WsOpcode.ping, new Uint8Array(0)));
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.end();
  }

  message(bytes: Uint8Array, start: number, end: number): void {
    this.#user.message(bytes, start, end);
  }

  control(opcode: number, payload: Uint8Array): void {
    if (opcode === WsOpcode.ping) this.write(clientFrame(WsOpcode.pong, payload));
    else if (opcode === WsOpcode.pong) this.#fences.shift()?.();
    else this.#fail(new Error(`the server closed the connection: ${closeText(payload)}`));
  }

  #read(chunk: Uint8Array): void {
    try {
      const bytes = this.#upgraded === null ? chunk : this.#readResponse(chunk);
      if (bytes.length === 0) return;
      this.#scanner.push(bytes, this);
    } catch (error) {
      return this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#user.readEnded();
  }

  /** Collects the answer to the upgrade; returns what came after it. */
  #readResponse(chunk: Uint8Array): Uint8Array {
    const response = Buffer.concat([this.#response, chunk]);
    this.#response = response;
    const end = response.indexOf("\r\n\r\n");
    if (end < 0) {
      if (response.length > MAX_RESPONSE_BYTES) throw new Error("the upgrade answer has no end");
      return new Uint8Array(0);
    }
    const status = response.toString("latin1", 0, response.indexOf("\r\n"));
    if (!status.startsWith("HTTP/1.1 101 ")) throw new Error(`upgrade refused: ${status}`);
    this.#upgraded?.resolve();
    this.#upgraded = null;
    this.#response = new Uint8Array(0);
    return response.subarray(end + 4);
  }

  #flush(): void {
    while (this.#socket !== null && this.#backlog.length > 0) {
      const bytes = this.#backlog[0] as Uint8Array;
      const written = Math.max(0, this.#socket.write(bytes));
      this.#backlogBytes -= written;
      if (written < bytes.length) {
        this.#backlog[0] = bytes.subarray(written);
        return;
      }
      this.#backlog.shift();
    }
  }

  #fail(error: Error): void {
    if (this.#isClosed) return;
    this.close();
    if (this.#upgraded !== null) this.#upgraded.reject(error);
    else this.#user.failed(error);
  }
}

function upgradeRequest({ hostname, port, path, subprotocol }: Address): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    ...(subprotocol === null ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
    "",
    "",
  ].join("\r\n");
}

function closeText(payload: Uint8Array): string {
  if (payload.length < 2) return "no code";
  const view = Buffer.from(payload);
  return `${view.readUInt16BE(0)} ${view.toString("utf8", 2)}`.trim();
}
