import { BinaryCodec } from "../../protocol/binary-codec.ts";
import type { RawFrame } from "../../protocol/codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import type { PublicationPush } from "../../protocol/messages/publication.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from "../../protocol/version.ts";

// With the DOM types beside it, the global is the browser's, without Bun's headers and terminate().
const BunWebSocket = WebSocket as unknown as new (
  url: string,
  options: Bun.WebSocketOptions,
) => Bun.WebSocket;

export interface ConnectionOptions {
  readonly format?: "msgpack" | "json";
  /** Headers of the handshake. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Subprotocols offered beside that of the format. */
  readonly offers?: readonly string[];
}

/** The frames that may have this type. */
type FrameOf<Type, Any extends ServerFrame = ServerFrame> = Any extends ServerFrame
  ? Type extends Any["type"]
    ? Any
    : never
  : never;

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A WebSocket that speaks frames and keeps all it gets. Waiting is for what has come (`until`), never for
 * time, and fails as soon as the connection ends without it.
 */
export class ProtocolConnection implements AsyncDisposable {
  readonly #socket: Bun.WebSocket;
  readonly #format: "msgpack" | "json";
  readonly #binary = new BinaryCodec(MAX_PUSH_DEPTH);
  readonly #json = new JsonCodec(MAX_PUSH_DEPTH);
  #waiters: Waiter[] = [];
  /** Every frame received, in order. */
  readonly frames: ServerFrame[] = [];
  readonly publications: PublicationPush[] = [];
  /** Names of channels by their ids, as subscribe replies and announcements told. */
  readonly channelNames = new Map<number, string>();
  closed: { readonly code: number; readonly reason: string } | null = null;
  /** WebSocket messages received; each holds one frame or more. */
  messageCount = 0;

  constructor(url: string, options: ConnectionOptions = {}) {
    this.#format = options.format ?? "msgpack";
    const subprotocol = this.#format === "json" ? SUBPROTOCOL_JSON : SUBPROTOCOL_MSGPACK;
    const socket = new BunWebSocket(url, {
      protocols: [subprotocol, ...(options.offers ?? [])],
      headers: { ...options.headers },
    });
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => this.#wake());
    socket.addEventListener("message", ({ data }) => this.#received(data));
    socket.addEventListener("close", ({ code, reason }) => {
      this.closed = { code, reason };
      this.#wake();
    });
    this.#socket = socket;
  }

  /** Resolves when the WebSocket is open; rejects when the handshake is refused. */
  opened(): Promise<void> {
    return this.until(() => this.#socket.readyState === WebSocket.OPEN);
  }

  get subprotocol(): string {
    return this.#socket.protocol;
  }

  /** Sends frames as one message. */
  send(...frames: readonly Frame[]): void {
    if (this.#format === "json") {
      this.#socket.send(this.#json.join(frames.map((frame) => this.#json.encode(frame))));
    } else this.#socket.send(this.#binary.join(frames.map((frame) => this.#binary.encode(frame))));
  }

  /** Sends a message as it is. */
  sendRaw(message: Uint8Array | string): void {
    this.#socket.send(message);
  }

  /** An RFC 6455 ping of the client. */
  rfcPing(): void {
    this.#socket.ping();
  }

  #received(data: unknown): void {
    this.messageCount++;
    if (typeof data === "string") this.#json.decode(data, (frame) => this.#take(frame));
    else {
      const bytes = new Uint8Array(data as ArrayBuffer);
      this.#binary.decode(bytes, (frame) => this.#take(frame));
    }
    this.#wake();
  }

  #take(raw: RawFrame): void {
    const frame = decodeServerFrame(raw);
    if (frame === null) throw new Error(`the broker sent an unknown op ${String(raw[0])}`);
    this.frames.push(frame);
    if (frame.type === "publication") this.publications.push(frame);
    else if (frame.type === "channel") this.channelNames.set(frame.channelId, frame.name);
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (waiter.isDone()) waiter.resolve();
      else if (this.closed === null) this.#waiters.push(waiter);
      else waiter.reject(new Error(`closed: ${this.closed.code} ${this.closed.reason}`));
    }
  }

  /** Resolves as soon as the condition holds; rejects when the connection ends before. */
  until(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ isDone, resolve, reject });
      this.#wake();
    });
  }

  /** The first frame of this type that the condition holds for, received already or to come. */
  async frame<Type extends ServerFrame["type"]>(
    type: Type,
    isWanted: (frame: FrameOf<Type>) => boolean = () => true,
  ): Promise<FrameOf<Type>> {
    const find = (): ServerFrame | undefined =>
      this.frames.find((frame) => frame.type === type && isWanted(frame as FrameOf<Type>));
    await this.until(() => find() !== undefined);
    return find() as FrameOf<Type>;
  }

  /** Resolves to how the connection ended. */
  async untilClosed(): Promise<{ readonly code: number; readonly reason: string }> {
    await this.until(() => this.closed !== null);
    return this.closed as { code: number; reason: string };
  }

  untilPublications(count: number): Promise<void> {
    return this.until(() => this.publications.length >= count);
  }

  /** Payloads as text, of one channel or of all. */
  texts(channel?: string): string[] {
    const { channelNames } = this;
    return this.publications
      .filter(({ channelId }) => channel === undefined || channelNames.get(channelId) === channel)
      .map(({ payload }) => new TextDecoder().decode(payload));
  }

  /** Cuts the connection without a word. */
  terminate(): void {
    this.#socket.terminate();
  }

  /** Closes and waits until it is. */
  async close(): Promise<void> {
    this.#socket.close();
    await this.untilClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await this.untilClosed();
  }
}
