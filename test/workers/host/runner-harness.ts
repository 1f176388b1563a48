import { systemClock } from "../../../broker/ports.ts";
import type {
  TransformHost,
  TransformOutcome,
  TransformRefusal,
  TransformRunner,
} from "../../../broker/ports.ts";
import { createTransformRunner } from "../../../workers/host/create-transform-runner.ts";
import type { TransformRunnerOptions } from "../../../workers/host/host-options.ts";
import type { TransformBinding } from "../../../workers/host/host-types.ts";
import { MemoryLogger } from "../../support/memory-logger.ts";
import { TempFolder } from "../../support/temp-folder.ts";

const utf8 = new TextEncoder();
const utf8Decoder = new TextDecoder();

/** What became of one publication, as a test looks at it. */
export interface Settled {
  readonly channel: string;
  readonly text: string;
  readonly type: TransformOutcome["type"];
  /** Payload that is published or sent as a dead letter; empty for the others. */
  readonly output: string;
  readonly outcome: TransformOutcome;
  /** Of its own channel, counted in the order of submission, from 0. */
  readonly index: number;
}

interface Ticket {
  readonly channel: string;
  readonly text: string;
  readonly index: number;
  readonly generation: number;
  isSettled: boolean;
}

export interface RunnerSetup extends Partial<Omit<TransformRunnerOptions, "bindings">> {
  readonly files?: Readonly<Record<string, string>>;
  readonly bindings: readonly TransformBinding[];
  readonly history?: TransformHost["history"];
}

/** A real runner with real workers, on plugin files written for the test. */
export class RunnerHarness implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly logger = new MemoryLogger();
  readonly runner: TransformRunner;
  readonly settled: Settled[] = [];
  /** Outcomes for tickets that had one already: always a fault. */
  readonly doubled: string[] = [];
  readonly #counts = new Map<string, number>();
  #taken = 0;
  #waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  onSettled: ((settled: Settled) => void) | null = null;

  private constructor(folder: TempFolder, setup: RunnerSetup) {
    this.folder = folder;
    const { files: _files, history: _history, ...options } = setup;
    this.runner = createTransformRunner({
      directory: folder.path,
      clock: systemClock,
      logger: this.logger,
      maxPayloadBytes: 1024 * 1024,
      ...options,
    });
  }

  /** Starts it. When the start is refused, what was made for it is gone. */
  static async start(setup: RunnerSetup): Promise<RunnerHarness> {
    const folder = await TempFolder.create();
    try {
      for (const [name, text] of Object.entries(setup.files ?? {})) await folder.write(name, text);
      const harness = new RunnerHarness(folder, setup);
      await harness.runner.start(
        { settled: (ticket, outcome) => harness.#settle(ticket as Ticket, outcome) },
        { history: setup.history ?? (async () => []) },
      );
      return harness;
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Publications taken in. */
  get taken(): number {
    return this.#taken;
  }

  publish(channel: string, text: string, key: string | null = null): TransformRefusal | null {
    const route = this.runner.route(channel);
    if (route === null) throw new Error(`no route for ${channel}`);
    const bytes = utf8.encode(`--${text}--`);
    const index = this.#counts.get(channel) ?? 0;
    const ticket = { channel, text, index, isSettled: false, generation: this.runner.generation };
    const refusal = route.submit(bytes, 2, bytes.length - 2, null, key, ticket);
    // The route has to keep bytes of its own.
    bytes.fill(0);
    if (refusal === null) {
      this.#taken++;
      this.#counts.set(channel, index + 1);
    }
    return refusal;
  }

  publishAll(channel: string, texts: readonly string[]): void {
    for (const text of texts) {
      const refusal = this.publish(channel, text);
      if (refusal !== null) throw new Error(`refused: ${refusal.code} ${refusal.message}`);
    }
  }

  /** Resolves when everything taken in so far, and later, is settled. */
  async allSettled(): Promise<void> {
    await this.until(() => this.settled.length >= this.#taken);
  }

  /** Resolves when the condition holds; it is looked at after each outcome. */
  until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isDone, resolve }));
  }

  outputs(channel: string): string[] {
    return this.settled.filter((one) => one.channel === channel).map(({ output }) => output);
  }

  types(channel: string): string[] {
    return this.settled.filter((one) => one.channel === channel).map(({ type }) => type);
  }

  /** Empty when every publication was settled once, and each channel's in order. */
  faults(): string[] {
    const faults = [...this.doubled];
    const next = new Map<string, number>();
    for (const { channel, index, text } of this.settled) {
      const expected = next.get(channel) ?? 0;
      if (index !== expected) {
        faults.push(`${channel}: "${text}" is number ${index}, expected ${expected}`);
      }
      next.set(channel, index + 1);
    }
    if (this.settled.length !== this.#taken) {
      faults.push(`${this.#taken} taken in, ${this.settled.length} settled`);
    }
    return faults;
  }

  #settle(ticket: Ticket, outcome: TransformOutcome): void {
    const { channel, text, index } = ticket;
    if (ticket.isSettled) this.doubled.push(`${channel}: "${text}" was settled twice`);
    ticket.isSettled = true;
    const settled = {
      channel,
      text,
      index,
      type: outcome.type,
      output: outputOf(outcome),
      outcome,
    };
    this.settled.push(settled);
    this.onSettled?.(settled);
    this.#waiters = this.#waiters.filter(({ isDone, resolve }) => {
      if (!isDone()) return true;
      resolve();
      return false;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner.stop(2000);
    await this.folder[Symbol.asyncDispose]();
  }
}

function outputOf(outcome: TransformOutcome): string {
  if (outcome.type === "publish") {
    return utf8Decoder.decode(outcome.bytes.subarray(outcome.start, outcome.end));
  }
  return outcome.type === "dead-letter" ? utf8Decoder.decode(outcome.bytes) : "";
}

/** Source of a plugin whose `process` is this, for each message `m`. */
export function plugin(
  body: string,
  options: { readonly version?: string; readonly extra?: string; readonly head?: string } = {},
): string {
  const { version = "1.0.0", extra = "", head = "" } = options;
  return `${head}
export default {
  name: "probe", version: "${version}", ${extra}
  process(batch, context) { for (const m of batch) { const text = m.text(); ${body} } },
};
`;
}
