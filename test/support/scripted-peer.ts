import type { Server, ServerWebSocket } from "bun";

import { BinaryCodec } from "../../protocol/binary-codec.ts";
import type { CodeInfo } from "../../protocol/codes.ts";
import { decodeCommand } from "../../protocol/command.ts";
import type { Command } from "../../protocol/command.ts";
import type { Frame, FrameValue } from "../../protocol/frame.ts";
import { encodeConnected } from "../../protocol/messages/connected.ts";
import type { ConnectedReply } from "../../protocol/messages/connected.ts";
import { encodeError, encodeOk } from "../../protocol/messages/reply.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL_MSGPACK } from "../../protocol/version.ts";

type CommandOf<Type extends Command["type"]> = Extract<Command, { readonly type: Type }>;

interface Waiter {
  readonly take: () => boolean;
  readonly reject: (error: Error) => void;
}

const codec = new BinaryCodec();

/**
 * One connection of a scripted peer. Commands are kept until the test takes them with `next`, which fails
 * when the connection ends without one.
 */
export class PeerConnection {
  readonly #socket: ServerWebSocket<PeerConnection | null>;
  readonly #untaken: Command[] = [];
  #waiters: Waiter[] = [];
  /** Every message received, as its commands. */
  readonly messages: Command[][] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;

  constructor(socket: ServerWebSocket<PeerConnection | null>) {
    this.#socket = socket;
  }

  /** Takes the oldest command of this type, waiting for it. */
  next<Type extends Command["type"]>(type: Type): Promise<CommandOf<Type>> {
    return new Promise((resolve, reject) => {
      const take = (): boolean => {
        const index = this.#untaken.findIndex((command) => command.type === type);
        if (index < 0) return false;
        resolve(this.#untaken.splice(index, 1)[0] as CommandOf<Type>);
        return true;
      };
      if (take()) return;
      if (this.closed === null) this.#waiters.push({ take, reject });
      else reject(new Error(`closed before a ${type} came`));
    });
  }

  /** Commands received that no test has taken. */
  get untaken(): readonly Command[] {
    return this.#untaken;
  }

  /** Takes the connect command and accepts it. */
  async accept(
    reply: Partial<Omit<ConnectedReply, "limits">> & LimitOverrides = {},
  ): Promise<void> {
    const { id } = await this.next("connect");
    const { limits, ...rest } = reply;
    this.send(
      encodeConnected({
        id,
        version: PROTOCOL_VERSION,
        connection: "c_peer",
        user: null,
        node: "n_peer",
        serverTimeMs: 1_800_000_000_000,
        tokenExpiresInMs: 0,
        limits: {
          pingIntervalMs: 25_000,
          maxMessageBytes: 65_536,
          maxPayloadBytes: 64_512,
          maxSubscriptions: 128,
          receiptIntervalMs: 0,
          slowMs: 0,
          ...limits,
        },
        ...rest,
      }),
    );
  }

  /** Sends frames as one message. */
  send(...frames: readonly Frame[]): void {
    this.sendBytes(codec.join(frames.map((frame) => codec.encode(frame))));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.sendBinary(bytes);
  }

  sendText(text: string): void {
    this.#socket.sendText(text);
  }

  ok(id: number, result: FrameValue): void {
    this.send(encodeOk(id, result));
  }

  fail(id: number, info: CodeInfo, retryAfterMs: number | null = null): void {
    this.send(encodeError(id, info, info.text, retryAfterMs));
  }

  close(code: number, reason = ""): void {
    this.#socket.close(code, reason);
  }

  /** Cuts the connection without a closing handshake. */
  cut(): void {
    this.#socket.terminate();
  }

  received(message: Uint8Array): void {
    const commands: Command[] = [];
    codec.decode(message, (frame) => commands.push(decodeCommand(frame)));
    this.messages.push(commands);
    this.#untaken.push(...commands);
    this.#waiters = this.#waiters.filter((waiter) => !waiter.take());
  }

  ended(code: number, reason: string): void {
    this.closed = { code, reason };
    const error = new Error(`the client closed with ${code} ${reason}`);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}

interface LimitOverrides {
  readonly limits?: Partial<ConnectedReply["limits"]>;
}

/**
 * A server whose every frame a test writes by hand, for what a real broker does not do: break the protocol,
 * fall silent, skip offsets, close with any code. It speaks through the protocol's own codecs over a real
 * WebSocket on a free port.
 */
export class ScriptedPeer implements AsyncDisposable {
  readonly #server: Server<PeerConnection | null>;
  readonly #arrived: PeerConnection[] = [];
  readonly #waiters: ((connection: PeerConnection) => void)[] = [];
  #connectionCount = 0;

  /** @param subprotocol what it answers to the offered subprotocols */
  constructor(subprotocol: string = SUBPROTOCOL_MSGPACK) {
    this.#server = Bun.serve<PeerConnection | null>({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, server) => {
        const headers = { "Sec-WebSocket-Protocol": subprotocol };
        if (server.upgrade(request, { data: null, headers })) return undefined;
        return new Response("a WebSocket is due", { status: 426 });
      },
      websocket: {
        idleTimeout: 0,
        open: (socket) => this.#opened(socket),
        message: (socket, message) => {
          if (typeof message !== "string") socket.data?.received(message);
        },
        close: (socket, code, reason) => socket.data?.ended(code, reason),
      },
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#server.port}`;
  }

  /** Connections opened since the start. */
  get connectionCount(): number {
    return this.#connectionCount;
  }

  /** The next connection no test has taken. */
  connection(): Promise<PeerConnection> {
    const connection = this.#arrived.shift();
    if (connection !== undefined) return Promise.resolve(connection);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** The next connection, accepted. */
  async accepted(reply: Parameters<PeerConnection["accept"]>[0] = {}): Promise<PeerConnection> {
    const connection = await this.connection();
    await connection.accept(reply);
    return connection;
  }

  #opened(socket: ServerWebSocket<PeerConnection | null>): void {
    const connection = new PeerConnection(socket);
    socket.data = connection;
    this.#connectionCount++;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#arrived.push(connection);
    else waiter(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}
