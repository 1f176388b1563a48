import type { WebSocketClass } from "../client/index.ts";
import { connectFailureText } from "./no-answer.ts";

/** What Bun's client sockets can do beyond what browsers' can. */
interface PausableSocket {
  pause(): boolean;
  resume(): boolean;
  terminate(): void;
}

/**
 * The sockets of one client, seen from outside the SDK: why one could not be opened, and a brake. While the
 * brake is on nothing is read, so that the network tells the broker to send no more.
 */
export class Sockets {
  /** For the client's option of this name. */
  readonly WebSocket: WebSocketClass;
  /** Why the newest connection failed, in words for people; null when that is not known. */
  lastFailure: string | null = null;
  #current: PausableSocket | null = null;
  #isPaused = false;

  constructor() {
    const opened = (socket: WebSocket): void => {
      this.#current = socket as unknown as PausableSocket;
      this.#isPaused = false;
      this.lastFailure = null;
      let hasOpened = false;
      socket.addEventListener("open", () => {
        hasOpened = true;
      });
      socket.addEventListener("error", (event) => {
        this.lastFailure = failureText(event as ErrorEvent, socket.url, hasOpened);
      });
    };
    this.WebSocket = class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        opened(this);
      }
    } as unknown as WebSocketClass;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Stops reading from the current socket; a new one, after a reconnect, reads again. */
  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = this.#current?.pause() ?? false;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#current?.resume();
  }

  /** Ends the current socket without a word, as a broken network does. */
  cut(): void {
    this.#current?.terminate();
  }
}

function failureText(event: ErrorEvent, url: string, hasOpened: boolean): string {
  const { code = "" } = (event.error ?? {}) as { readonly code?: string };
  const known = hasOpened ? null : connectFailureText(code, url);
  if (known !== null) return known;
  const reason = event.message.replace(/^.* failed: /, "");
  const status = /status code: (\d+)/.exec(reason)?.[1];
  return status === undefined ? reason : `it answered with HTTP status ${status}`;
}
