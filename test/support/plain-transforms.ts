import type {
  TransformChange,
  TransformEmission,
  TransformHost,
  TransformOutcome,
  TransformRefusal,
  TransformRoute,
  TransformRunner,
  TransformSink,
  TransformStatus,
  TransformTiming,
} from "../../broker/ports.ts";
import { patternMatches } from "../../protocol/channel-name.ts";

/** A publication as a plain transform gets it, in memory of its own. */
export interface PlainMessage {
  readonly channel: string;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly meta: Uint8Array | null;
  readonly key: string | null;
}

export interface PlainTransform {
  readonly id: string;
  readonly channels: readonly string[];
  readonly onError?: string;
  process(message: PlainMessage): TransformOutcome;
}

interface Waiting {
  readonly transform: PlainTransform;
  readonly message: PlainMessage;
  readonly ticket: unknown;
}

/**
 * The plainest runner there could be: one queue, one function per binding, in this process, later than the call that
 * submits. While it is held nothing comes out, so that a test decides when.
 */
export class PlainTransforms implements TransformRunner {
  readonly #transforms: PlainTransform[];
  readonly #waiting: Waiting[] = [];
  #sink: TransformSink<unknown> | null = null;
  #host: TransformHost | null = null;
  #isHeld = false;
  #isScheduled = false;
  generation = 0;
  state: TransformStatus["state"] = "running";
  /** What the next submit is refused with. */
  refusal: TransformRefusal | null = null;
  /** What a change or a dry run is refused with. */
  changeError: Error | null = null;
  readonly changes: TransformChange[] = [];
  /** Times a channel's route was asked for. */
  routeCount = 0;
  settledCount = 0;

  constructor(...transforms: PlainTransform[]) {
    this.#transforms = transforms;
  }

  start(sink: TransformSink<unknown>, host: TransformHost): Promise<void> {
    this.#sink = sink;
    this.#host = host;
    return Promise.resolve();
  }

  get host(): TransformHost {
    if (this.#host === null) throw new Error("not started");
    return this.#host;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#schedule();
  }

  /** Ends a binding. What it has under way still comes out. */
  remove(id: string): void {
    const index = this.#transforms.findIndex((one) => one.id === id);
    this.#transforms.splice(index, 1);
    this.generation++;
  }

  async stop(withinMs: number): Promise<void> {
    // With time to do it in, even what is held is done.
    if (withinMs > 0) this.#drain();
    for (const { ticket } of this.#waiting.splice(0)) {
      const error = { code: "unavailable", message: "stopped", retryAfterMs: null } as const;
      this.#sink?.settled(ticket, { type: "reject", error, timing: null });
    }
  }

  route(channel: string): TransformRoute | null {
    this.routeCount++;
    const transform =
      this.#transforms.find(({ channels }) =>
        channels.some((one) => patternMatches(one, channel)),
      ) ?? this.#waiting.find(({ message }) => message.channel === channel)?.transform;
    if (transform === undefined) return null;
    return {
      submit: (source, start, end, meta, key, ticket) => {
        if (this.refusal !== null) return this.refusal;
        const bytes = Uint8Array.prototype.slice.call(source, start, end);
        const text = new TextDecoder().decode(bytes);
        this.#waiting.push({ transform, message: { channel, text, bytes, meta, key }, ticket });
        this.#schedule();
        return null;
      },
    };
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isHeld) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#isHeld) this.#drain();
    });
  }

  #drain(): void {
    for (const { transform, message, ticket } of this.#waiting.splice(0)) {
      this.settledCount++;
      this.#sink?.settled(ticket, transform.process(message));
    }
  }

  status(): readonly TransformStatus[] {
    return this.#transforms.map(({ id, channels, onError = "nack" }) => ({
      id,
      use: `./${id}.ts`,
      name: id,
      version: "1.0.0",
      previousVersion: null,
      channels,
      onError,
      isolation: "thread",
      state: this.state,
      workers: 1,
      lanes: 0,
      queued: this.#waiting.length,
      verdicts: { pass: this.settledCount },
      faults: { throw: 2 },
      restarts: { timeout: 1 },
      custom: {},
      queueMs: { p50: 1, p99: 2 },
      runMs: { p50: 3, p99: 4 },
      heapBytes: 0,
      recentFaults: [],
      rollout: null,
    }));
  }

  isReady(): boolean {
    return this.state === "running";
  }

  async change(request: TransformChange): Promise<TransformStatus> {
    if (this.changeError !== null) throw this.changeError;
    this.changes.push(request);
    return this.status().find(({ id }) => id === request.id) as TransformStatus;
  }

  async dryRun(request: {
    readonly id: string;
    readonly channel: string;
    readonly payloads: readonly Uint8Array[];
  }): Promise<readonly TransformOutcome[]> {
    if (this.changeError !== null) throw this.changeError;
    const transform = this.#transforms.find(({ id }) => id === request.id) as PlainTransform;
    const { channel } = request;
    return request.payloads.map((bytes) => {
      const text = new TextDecoder().decode(bytes);
      return transform.process({ channel, text, bytes, meta: null, key: null });
    });
  }
}

const TIMING: TransformTiming = {
  enteredMs: 0,
  startedMs: 0,
  endedMs: 0,
  stages: [],
  worker: 0,
  batchSize: 1,
  attempt: 1,
  fault: null,
};

type OutcomeOf<Type> = Extract<TransformOutcome, { readonly type: Type }>;

/** Outcomes, as short as tests want them. */
export const outcome = {
  publish(
    text: string | Uint8Array,
    rest: { meta?: Uint8Array | null; emissions?: readonly TransformEmission[] } = {},
  ): OutcomeOf<"publish"> {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const { meta = null, emissions = [] } = rest;
    return { type: "publish", bytes, start: 0, end: bytes.length, meta, emissions, timing: TIMING };
  },
  drop(emissions: readonly TransformEmission[] = []): OutcomeOf<"drop"> {
    return { type: "drop", reason: "verdict", emissions, timing: TIMING };
  },
  deadLetter(
    channel: string,
    bytes: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): OutcomeOf<"dead-letter"> {
    const entries = new Map(Object.entries(headers));
    return { type: "dead-letter", channel, bytes, headers: entries, timing: TIMING };
  },
  reject(message: string): OutcomeOf<"reject"> {
    const error = { code: "transformFailed", message, retryAfterMs: null } as const;
    return { type: "reject", error, timing: TIMING };
  },
};

export function emission(
  channel: string,
  text: string,
  key: string | null = null,
): TransformEmission {
  return { channel, bytes: new TextEncoder().encode(text), key };
}

/** A runner with one transform, `plain`, that no publication goes through. */
export function idleTransforms(): PlainTransforms {
  const channels = ["of.nobody"];
  return new PlainTransforms({
    id: "plain",
    channels,
    process: ({ text }) => outcome.publish(text),
  });
}
