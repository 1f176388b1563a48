import type { CodeInfo } from "../protocol/codes.ts";

/** What the broker needs from outside, as small interfaces; broker/main.ts fits the real ones in. */

/** Time. Tests hand in one of their own. */
export interface Clock {
  /** Monotonic, ms, for durations and timers. */
  nowMs(): number;
  /** Wall clock, ms since 1970, for what people and other machines see. */
  wallMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
};

export type LogLevel = "debug" | "info" | "warn" | "error";

/** One event name plus fields; never a payload, never a token. */
export interface Logger {
  log(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void;
}

export const silentLogger: Logger = { log: () => {} };

/** What a verified token (or the lack of one) allows. */
export interface Grants {
  /** May publish on this channel. */
  mayPublish(channel: string): boolean;
  /** May subscribe to this channel or pattern, and read its history. */
  maySubscribe(channelOrPattern: string): boolean;
  /** May read the presence of this channel. */
  mayPresence(channel: string): boolean;
}

/** Who a connection is. */
export interface Identity {
  /** `sub` of the token; null for an anonymous client. */
  readonly user: string | null;
  readonly grants: Grants;
  /** Wall clock ms at which the token ends; 0 for never. */
  readonly expiresAtMs: number;
  /** `iat` in ms, 0 when absent: what revoke-by-user compares with. */
  readonly issuedAtMs: number;
  /** `jti`, for revocation by token. */
  readonly tokenId: string | null;
  /** May use the server API. */
  readonly isAdmin: boolean;
}

/** Refused access: carries the code to answer with. */
export class AccessError extends Error {
  override readonly name = "AccessError";
  readonly info: CodeInfo;

  constructor(info: CodeInfo, message: string = info.text, options?: ErrorOptions) {
    super(message, options);
    this.info = info;
  }
}

export interface Authenticator {
  /**
   * Verifies a token, or says who a client without one is.
   * @throws AccessError unauthorized, token_expired, revoked or unavailable (keys cannot be had)
   */
  authenticate(token: string | null): Promise<Identity>;
  /** Whether this identity has been revoked since it was verified. */
  isRevoked(identity: Identity): boolean;
  /**
   * From now on refuses tokens of this user issued until now, or this token id.
   * @param atMs wall clock ms of the revocation, when it was made elsewhere
   * @throws AccessError overloaded when too many are in force
   */
  revoke(target: { readonly user?: string; readonly tokenId?: string }, atMs?: number): void;
}
