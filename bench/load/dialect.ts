import type { Connection } from "./connection.ts";
import type { Subscriber } from "./subscriber.ts";

/** Well below the silence a Tickwire broker allows its clients. */
export const KEEP_ALIVE_MS = 10_000;

/** One server's way of speaking. */
export interface Dialect {
  /** Opens a connection and resolves once the subscriber will get what is published from now on. */
  subscribe(channel: string, subscriber: Subscriber): Promise<Connection>;
  /** Opens a connection that may publish; `onFailure` hears of its end. */
  openPublisher(channel: string, onFailure: (error: Error) => void): Promise<Connection>;
  /** One publication as this server takes it inside a WebSocket message, payload last. */
  publicationFrame(channel: string, payload: Uint8Array): Uint8Array;
  /** A message to send every `KEEP_ALIVE_MS` on a connection that is otherwise silent; null for none. */
  readonly keepAlive: Uint8Array | null;
}
