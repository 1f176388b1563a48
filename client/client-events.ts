import type { TickwireError } from "./errors.ts";

export type ConnectionState = "connecting" | "connected" | "reconnecting" | "closed";

/** What a client tells about its connection. */
export interface ClientEvents {
  readonly connecting: {
    /** 0 for the first attempt since a connection was last stable. */
    readonly attempt: number;
  };
  readonly connected: {
    /** The broker's name for this connection. */
    readonly connection: string;
    /** The user the broker takes this client for; null for an anonymous one. */
    readonly user: string | null;
    /** The broker's node. */
    readonly node: string;
  };
  readonly reconnecting: {
    /** Time until the next attempt, ms. */
    readonly delayMs: number;
    readonly attempt: number;
    /** Why the connection ended, or the attempt failed. */
    readonly error: TickwireError;
  };
  readonly closed: {
    /** Code of the registry or of RFC 6455; 1000 when the application closed the client. */
    readonly code: number;
    readonly reason: string;
    /** True when the broker's answer made it useless to try again; false when the application closed. */
    readonly terminal: boolean;
  };
  /** The broker's node is cut off from other nodes, or is not any more; subscriptions catch up by themselves. */
  readonly notice: {
    /** The channel or pattern concerned; null for several. */
    readonly channel: string | null;
    readonly state: "degraded" | "ok";
    readonly message: string;
  };
  /** Something went wrong that the client survives. */
  readonly error: TickwireError;
}
