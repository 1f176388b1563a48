import { SUBPROTOCOL_MSGPACK } from "../protocol/version.ts";

/** The part of a WebSocket the SDK uses; browsers, Bun, Node 22 and the `ws` package all have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: never) => void): void;
}

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

export interface TransportHandlers {
  onOpen(): void;
  /** One WebSocket message; a text message is handed over as null. */
  onMessage(message: Uint8Array | null): void;
  /** The socket is gone, or was never there. Called once, unless `close` came first. */
  onClose(code: number, reason: string): void;
}

/** One WebSocket: from its making to its end. */
export class Transport {
  readonly #socket: WebSocketLike;
  #handlers: TransportHandlers | null;
  #isGone = false;
  #onGone: (() => void) | null = null;

  /** @throws what the WebSocket class throws, for a URL it does not like */
  constructor(url: string, WebSocketClass: WebSocketClass, handlers: TransportHandlers) {
    this.#handlers = handlers;
    const socket = new WebSocketClass(url, [SUBPROTOCOL_MSGPACK]);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => this.#handlers?.onOpen());
    socket.addEventListener("message", (event: { data: unknown }) => {
      const { data } = event;
      this.#handlers?.onMessage(data instanceof ArrayBuffer ? new Uint8Array(data) : null);
    });
    socket.addEventListener("close", (event: { code: number; reason: string }) => {
      this.#isGone = true;
      this.#onGone?.();
      this.#detach()?.onClose(event.code, event.reason);
    });
    // A close event with code 1006 follows; without a listener some classes treat the error as uncaught.
    socket.addEventListener("error", () => {});
  }

  /** Bytes handed to the socket that it has not written yet. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message);
  }

  /**
   * Starts the closing handshake and forgets the handlers: on a dead network the close event may take
   * minutes, and whoever calls this does not want to wait for it.
   */
  close(reason: string): void {
    this.#detach();
    this.#socket.close(1000, reason);
  }

  /** Calls back when the socket is gone, also after `close`. */
  whenGone(callback: () => void): void {
    if (this.#isGone) callback();
    else this.#onGone = callback;
  }

  #detach(): TransportHandlers | null {
    const handlers = this.#handlers;
    this.#handlers = null;
    return handlers;
  }
}
