import { BinaryCodec } from "../../protocol/binary-codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL_MSGPACK } from "../../protocol/version.ts";

const RECONNECT_MS = 50;
const CONNECT_ID = 1;

export interface ChaosClientHost {
  /** Where the broker is now. */
  url(): string;
  connected(): void;
  received(frame: ServerFrame): void;
  /** The connection ended; another follows by itself. */
  disconnected(): void;
}

/** A WebSocket that comes back for as long as it is wanted, and keeps nothing of what it got. */
export class ChaosClient implements Disposable {
  readonly #host: ChaosClientHost;
  readonly #codec = new BinaryCodec(MAX_PUSH_DEPTH);
  #socket: WebSocket | null = null;
  #isReady = false;
  #isStopped = false;
  #lastId = CONNECT_ID;
  connectCount = 0;

  constructor(host: ChaosClientHost) {
    this.#host = host;
    this.#open();
  }

  #open(): void {
    if (this.#isStopped) return;
    const socket = new WebSocket(this.#host.url(), SUBPROTOCOL_MSGPACK);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      this.#write(
        encodeConnect({ id: CONNECT_ID, version: PROTOCOL_VERSION, token: null, client: null }),
      );
    });
    socket.addEventListener("message", ({ data }) => {
      this.#codec.decode(new Uint8Array(data as ArrayBuffer), (raw) => {
        const frame = decodeServerFrame(raw);
        if (frame !== null) this.#received(frame);
      });
    });
    socket.addEventListener("close", () => {
      const wasReady = this.#isReady;
      this.#isReady = false;
      if (wasReady && !this.#isStopped) this.#host.disconnected();
      setTimeout(() => this.#open(), RECONNECT_MS);
    });
    // A close event follows, and is what counts.
    socket.addEventListener("error", () => {});
  }

  #received(frame: ServerFrame): void {
    if (frame.type !== "connected") {
      this.#host.received(frame);
      return;
    }
    this.#isReady = true;
    this.connectCount++;
    this.#host.connected();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  nextId(): number {
    return ++this.#lastId;
  }

  send(...frames: readonly Frame[]): void {
    if (this.#isReady) this.#write(...frames);
  }

  #write(...frames: readonly Frame[]): void {
    const message = this.#codec.join(frames.map((frame) => this.#codec.encode(frame)));
    this.#socket?.send(message.slice());
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    this.#socket?.close();
  }
}
