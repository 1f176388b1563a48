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
  /** Wall clock ms from which the token is refused, the tolerance for clocks included; 0 for never. */
  readonly expiresAtMs: number;
  /** `iat` in ms, 0 when absent: what revoke-by-user compares with. */
  readonly issuedAtMs: number;
  /** `jti`, for revocation by token. */
  readonly tokenId: string | null;
  /** May use the server API. */
  readonly isAdmin: boolean;
  /** Whether a trace context that it gives is gone on with. */
  readonly mayTrace: boolean;
}

/** Refused access: carries the code to answer with. */
export class AccessError extends Error {
  override readonly name = "AccessError";
  readonly info: CodeInfo;
  /** Null where waiting does not help, or nobody knows for how long. */
  readonly retryAfterMs: number | null;

  constructor(
    info: CodeInfo,
    message: string = info.text,
    options: ErrorOptions & { retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.info = info;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

export interface Authenticator {
  /**
   * Verifies a token, or says who a client without one is.
   * @throws AccessError unauthorized, token_expired, revoked or unavailable (keys cannot be had)
   */
  authenticate(token: string | null): Promise<Identity>;
  /** Whether this token was accepted lately, so that it costs little to accept it again. */
  isKnown?(token: string): boolean;
  /** Whether this identity has been revoked since it was verified. */
  isRevoked(identity: Identity): boolean;
  /**
   * From now on refuses tokens of this user issued until now, or this token id.
   * @param atMs wall clock ms of the revocation, when it was made elsewhere
   * @throws AccessError overloaded when too many are in force
   */
  revoke(target: { readonly user?: string; readonly tokenId?: string }, atMs?: number): void;
}

/** What became of a publication that went through transforms. */
export type TransformOutcome =
  /** Publish `bytes[start, end)`; they stay as they are until `settled` returns. */
  | {
      readonly type: "publish";
      readonly bytes: Uint8Array;
      readonly start: number;
      readonly end: number;
      /** Encoded meta, as submitted or with other headers. */
      readonly meta: Uint8Array | null;
      readonly emissions: readonly TransformEmission[];
      readonly timing: TransformTiming;
    }
  /** Publish nothing here. */
  | {
      readonly type: "drop";
      /** Of a closed set: a metric's label. */
      readonly reason: "verdict" | "failed" | "shed";
      /** What the transform says of its verdict, where it says something. */
      readonly message?: string;
      readonly emissions: readonly TransformEmission[];
      readonly timing: TransformTiming | null;
    }
  /** Publish a record of the failure on `channel` instead; the publisher is told it was taken. */
  | {
      readonly type: "dead-letter";
      readonly channel: string;
      /** The original payload. */
      readonly bytes: Uint8Array;
      /** What failed and why, as headers. */
      readonly headers: ReadonlyMap<string, string>;
      readonly timing: TransformTiming | null;
    }
  /** The publisher gets an error. */
  | {
      readonly type: "reject";
      readonly error: TransformRefusal;
      readonly timing: TransformTiming | null;
    };

export interface TransformEmission {
  readonly channel: string;
  readonly bytes: Uint8Array;
  readonly key: string | null;
}

/** Wall clock, ms since 1970 with fractions. Waiting is what lies between entered and started. */
export interface TransformTiming {
  readonly enteredMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
  /** Names and versions of the transforms it went through, in order. */
  readonly stages: readonly { readonly name: string; readonly version: string }[];
  readonly worker: number;
  readonly batchSize: number;
  readonly attempt: number;
  /** Null when all is well. */
  readonly fault: { readonly type: string; readonly message: string } | null;
}

/** Why a publication is not taken in: the name of a code in protocol/codes.ts. */
export interface TransformRefusal {
  readonly code:
    "transformRejected" | "transformFailed" | "overloaded" | "tooManyRequests" | "unavailable";
  readonly message: string;
  readonly retryAfterMs: number | null;
}

/** Hears outcomes: exactly once for each publication taken in, and for one lane in the order they were. */
export interface TransformSink<Ticket> {
  settled(ticket: Ticket, outcome: TransformOutcome): void;
}

/** The way through the transforms that are bound to a channel. */
export interface TransformRoute {
  /**
   * Takes a publication in; copies what it needs. Null, or the refusal when a bound is reached (then
   * nothing follows).
   * @param key conflation key, for transforms that order by it
   * @param ticket handed back with the outcome
   */
  submit(
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    key: string | null,
    ticket: unknown,
  ): TransformRefusal | null;
}

/** One binding: a transform on channels that match, and what is known of how it does. */
export interface TransformStatus {
  readonly id: string;
  readonly use: string;
  readonly name: string;
  readonly version: string;
  readonly previousVersion: string | null;
  readonly channels: readonly string[];
  readonly onError: string;
  readonly isolation: "thread" | "process";
  readonly state: "starting" | "running" | "degraded" | "tripped" | "failed";
  readonly workers: number;
  readonly lanes: number;
  readonly queued: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly restarts: Readonly<Record<string, number>>;
  /** What the transform itself counts and observes, by name. */
  readonly custom: Readonly<Record<string, { readonly sum: number; readonly count: number }>>;
  readonly queueMs: { readonly p50: number; readonly p99: number };
  readonly runMs: { readonly p50: number; readonly p99: number };
  readonly heapBytes: number;
  /** The newest last. */
  readonly recentFaults: readonly {
    readonly atMs: number;
    readonly type: string;
    readonly message: string;
    readonly channel: string | null;
  }[];
  /** Of a shadow or canary under way. */
  readonly rollout: unknown;
}

/** What the broker needs of transforms; workers/ has it. Refusals reject with `TransformError`. */
export interface TransformRunner {
  /** Loads what is bound. @throws Error naming file and line, when a transform cannot be loaded */
  start(sink: TransformSink<unknown>, host: TransformHost): Promise<void>;
  /** Ends when everything taken in is settled, or `withinMs` is over; what is left then is rejected. */
  stop(withinMs: number): Promise<void>;
  /** Changes when channels must ask for their route again. */
  readonly generation: number;
  /** Null when nothing is bound to the channel and nothing of it is under way. */
  route(channel: string): TransformRoute | null;
  status(): readonly TransformStatus[];
  /** Whether every binding can take publications. */
  isReady(): boolean;
  /** What a change asks for is checked by the runner; see docs/openapi.json for its forms. */
  change(request: TransformChange): Promise<TransformStatus>;
  /** Runs payloads through a binding without publishing anything. */
  dryRun(request: {
    readonly id: string;
    readonly channel: string;
    readonly payloads: readonly Uint8Array[];
  }): Promise<readonly TransformOutcome[]>;
}

export type TransformChange =
  /** Loads the newest version of a binding, or another one, and takes it into use as `mode` says. */
  | {
      readonly action: "deploy";
      readonly id: string;
      /** Default: what is bound now, read anew. */
      readonly use: string | null;
      readonly config: unknown;
      readonly mode:
        | { readonly type: "replace" }
        | { readonly type: "shadow"; readonly percent: number }
        | { readonly type: "canary"; readonly channels: readonly string[] };
    }
  | { readonly action: "promote"; readonly id: string }
  | { readonly action: "rollback"; readonly id: string };

/** What transforms need of the broker. */
export interface TransformHost {
  /** The newest payloads of a channel's history, oldest first. */
  history(channel: string, limit: number): Promise<readonly Uint8Array[]>;
}
