import type {
  BatchReply,
  LoadRequest,
  TransformFault,
  TransformManifest,
  WorkerNotes,
} from "../boundary/worker-link.ts";
import { PROGRESS_BYTES } from "../boundary/worker-link.ts";
import { WorkerRuntime } from "../runtime/worker-runtime.ts";
import type { StandardSchema } from "../sdk/standard-schema.ts";
import type { TransformDefinition } from "../sdk/transform.ts";
import { laneOf } from "./crossing.ts";
import type { Outcome, Output, TestEmission } from "./crossing.ts";
import { fuzzTransform } from "./fuzz.ts";
import type { FuzzOptions, FuzzReport } from "./fuzz.ts";
import { HarnessError } from "./harness-error.ts";
import type { TestWorker } from "./harness-error.ts";
import { payloadBytes } from "./message.ts";
import type { TestMessage } from "./message.ts";
import { sendMessages } from "./send-batch.ts";
import { startThread } from "./thread-worker.ts";

const DEFAULT_MAX_PAYLOAD_BYTES = 1024 * 1024;
const GIVEN = "(the transform under test)";

export interface HarnessOptions {
  /** Configuration as a binding has it: it goes through the transform's schema. */
  readonly config?: unknown;
  /** Patterns of channels it may emit to; default: none, as in a binding. */
  readonly emit?: readonly string[];
  /** Payloads that channels have had before, oldest first, for a transform that looks back. */
  readonly history?: Readonly<Record<string, readonly unknown[]>>;
  readonly maxPayloadBytes?: number;
}

/** What a run made of its messages, in their order. */
export interface HarnessResult {
  readonly outcomes: readonly Outcome[];
  readonly verdicts: readonly Outcome["verdict"][];
  /** Null for a message that is dropped or has failed. */
  readonly outputs: readonly (Output | null)[];
  readonly emissions: readonly TestEmission[];
  readonly logs: WorkerNotes["logs"];
  readonly metrics: WorkerNotes["metrics"];
  /** What went wrong outside of a message. */
  readonly faults: readonly TransformFault[];
}

/** A transform under test. Everything it gets and gives crosses the boundary as between broker and worker. */
export class Harness implements AsyncDisposable {
  readonly #worker: TestWorker;
  readonly #request: LoadRequest;
  readonly #options: HarnessOptions;
  readonly #children: Harness[] = [];
  readonly #seenChannels = new Set<string>();
  #manifest: TransformManifest | null = null;
  #batches = 0;
  /** Whether the transform has left alone the bytes it was given, as far as this thread can see them. */
  #isInputIntact = true;

  constructor(worker: TestWorker, use: string, directory: string, options: HarnessOptions) {
    this.#worker = worker;
    this.#options = options;
    const stage = { use, directory, config: options.config, emit: options.emit ?? [] };
    this.#request = {
      worker: 0,
      stages: [stage],
      progress: worker.progress,
      maxPayloadBytes: options.maxPayloadBytes ?? DEFAULT_MAX_PAYLOAD_BYTES,
    };
  }

  /**
   * What the transform says of itself; loads it on the first call.
   * @throws HarnessError
   */
  async manifest(): Promise<TransformManifest> {
    return (this.#manifest ??= await this.#load());
  }

  /**
   * Sends messages through, in batches as large as the transform allows.
   * @throws HarnessError when it cannot be loaded or its worker is lost
   */
  async run(messages: readonly TestMessage[]): Promise<HarnessResult> {
    const manifest = await this.manifest();
    await this.#lookBack(messages, manifest);
    const noted: WorkerNotes[] = [];
    const target = {
      manifests: [manifest],
      maxPayloadBytes: this.#request.maxPayloadBytes ?? DEFAULT_MAX_PAYLOAD_BYTES,
      run: (slab: Uint8Array, attempt: number) => this.#run(slab, attempt, manifest, noted),
    };
    const outcomes = await sendMessages(target, messages);
    return {
      outcomes,
      verdicts: outcomes.map((outcome) => outcome.verdict),
      outputs: outcomes.map((outcome) => outcome.output),
      emissions: outcomes.flatMap((outcome) => outcome.emissions),
      logs: noted.flatMap((notes) => notes.logs),
      metrics: noted.flatMap((notes) => notes.metrics),
      faults: noted.flatMap((notes) => notes.faults.map(({ fault }) => fault)),
    };
  }

  /** Sends random messages through; nothing it finds is thrown, all of it is in the report. */
  async fuzz(options: FuzzOptions = {}): Promise<FuzzReport> {
    return fuzzTransform(options, async (messages) => {
      this.#isInputIntact = true;
      const { outcomes } = await this.run(messages);
      return { outcomes, isInputIntact: this.#isInputIntact };
    });
  }

  /**
   * Replaces the transform by a new load of it, as a deployment does: lane states move where it hands them over,
   * and begin anew where it does not.
   */
  async reload(): Promise<void> {
    const { calls } = this.#worker;
    const snapshots = this.#manifest === null ? [] : await calls.takeLanes(null);
    this.#seenChannels.clear();
    this.#manifest = await this.#load();
    if (snapshots.length > 0) await calls.putLanes(snapshots);
    for (const { channel } of snapshots) this.#seenChannels.add(channel);
  }

  /**
   * The same in a thread of its own, where a message that takes too long ends the thread.
   * @param path of the module that exports the transform
   */
  inWorker(path: string): Harness {
    const child = new Harness(startThread(), path, process.cwd(), this.#options);
    this.#children.push(child);
    return child;
  }

  async close(): Promise<void> {
    for (const child of this.#children.splice(0)) await child.close();
    await this.#worker.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #load(): Promise<TransformManifest> {
    const reply = await this.#worker.calls.load(this.#request);
    if (!reply.ok) {
      const { type, message, file, line } = reply.fault;
      const place = file === null ? "" : ` (${file}${line === null ? "" : `:${line}`})`;
      throw new HarnessError(`${type}: ${message}${place}`, reply.fault);
    }
    const [manifest] = reply.manifests;
    if (manifest === undefined) throw new HarnessError("nothing was loaded");
    return manifest;
  }

  async #run(
    slab: Uint8Array,
    attempt: number,
    manifest: TransformManifest,
    noted: WorkerNotes[],
  ): Promise<BatchReply> {
    const sent = slab.slice();
    const call = this.#worker.calls.run({ number: ++this.#batches, attempt, slab });
    const reply = await this.#worker.guard(call, manifest.limits.timeoutMs);
    if (reply.notes !== null) noted.push(reply.notes);
    if (!Buffer.from(slab.buffer).equals(sent)) this.#isInputIntact = false;
    return reply;
  }

  /** Shows history to lanes that are met for the first time. */
  async #lookBack(messages: readonly TestMessage[], manifest: TransformManifest): Promise<void> {
    if (manifest.lookBack === 0) return;
    for (const message of messages) {
      const { channel } = message;
      const payloads = this.#options.history?.[channel];
      if (payloads === undefined || this.#seenChannels.has(channel)) continue;
      this.#seenChannels.add(channel);
      const lane = laneOf(message, [manifest]) ?? channel;
      const bytes = payloads.map((payload) => payloadBytes(payload, "json"));
      await this.#worker.calls.replay(lane, channel, bytes);
    }
  }
}

/** Tests a transform: in this thread, across the boundary that also lies between a broker and its workers. */
export function harness<Schema extends StandardSchema | undefined, State, Lane>(
  definition: TransformDefinition<Schema, State, Lane>,
  options: HarnessOptions = {},
): Harness {
  const runtime = new WorkerRuntime({ given: new Map([[GIVEN, definition]]) });
  const worker: TestWorker = {
    calls: runtime,
    progress: new SharedArrayBuffer(PROGRESS_BYTES),
    guard: (call) => call,
    end: () => runtime.unload(),
  };
  return new Harness(worker, GIVEN, process.cwd(), options);
}
