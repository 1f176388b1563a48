import type {
  BatchReply,
  CaseResult,
  TransformFault,
  TransformManifest,
  WorkerCalls,
  WorkerNotes,
} from "../../workers/boundary/worker-link.ts";
import { openThreadLink } from "../../workers/host/link-thread.ts";
import type { WorkerLink } from "../../workers/host/link.ts";
import type { BatchTarget } from "../../workers/testing/send-batch.ts";
import { CliError } from "../errors.ts";
import { formatDuration } from "../format.ts";
import { say } from "../output.ts";
import type { Target } from "./target.ts";

/** Longest time for one answer of the worker, ms: a transform in an endless loop must not keep the command. */
const MAX_ANSWER_MS = 30_000;
/** Looks at the progress this often while a batch runs, as a part of the time one message may take. */
const LOOKS_PER_TIMEOUT = 4;

export interface LoadOptions {
  readonly config: unknown;
  /** Channels it may emit to. */
  readonly emit: readonly string[];
}

/** What a broker takes, unless configured otherwise. */
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/** A transform that is loaded into a worker of its own, as a broker would. */
export class LoadedTransform implements BatchTarget, AsyncDisposable {
  readonly manifest: TransformManifest;
  readonly manifests: readonly TransformManifest[];
  readonly maxPayloadBytes = MAX_PAYLOAD_BYTES;
  readonly calls: WorkerCalls;
  readonly #link: WorkerLink;
  #number = 0;
  #isLost = false;

  private constructor(link: WorkerLink, manifest: TransformManifest) {
    this.#link = link;
    this.calls = link.calls;
    this.manifest = manifest;
    this.manifests = [manifest];
  }

  /** @throws CliError that names file and line, when it cannot be loaded */
  static async load(
    { use, directory }: Target,
    { config, emit }: LoadOptions,
  ): Promise<LoadedTransform> {
    const link = openThreadLink({ onLost: () => undefined, isAsync: true, directory });
    const stages = [{ use, directory, config, emit }];
    const progress = link.sharedProgress;
    try {
      const reply = await answered(link.calls.load({ worker: 0, stages, progress }), "load");
      if (!reply.ok) throw new CliError(faultText(reply.fault));
      return new LoadedTransform(link, reply.manifests[0] as TransformManifest);
    } catch (error) {
      link.end();
      throw error;
    }
  }

  /**
   * Runs a batch; what the transform logs is told.
   * @throws CliError when the worker is lost, or a message takes longer than the transform's limit
   */
  async run(slab: Uint8Array, attempt: number): Promise<BatchReply> {
    const request = { number: ++this.#number, attempt, slab };
    const watch = this.#watchProgress();
    try {
      const reply = await Promise.race([this.#ask(this.calls.run(request), "run"), watch.late]);
      tellNotes(reply.notes);
      return reply;
    } finally {
      clearInterval(watch.timer);
    }
  }

  /** Runs the cases that are packaged with it. @throws CliError when the worker is lost */
  async test(): Promise<readonly CaseResult[]> {
    const { cases } = await this.#ask(this.calls.test(), "cases");
    return cases;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isLost) {
      await answered(this.calls.unload(), "teardown").catch((error: unknown) =>
        say((error as Error).message),
      );
    }
    this.#link.end();
  }

  async #ask<Result>(answer: Promise<Result>, what: string): Promise<Result> {
    try {
      return await answered(answer, what);
    } catch (error) {
      this.#isLost = true;
      throw error;
    }
  }

  /** As a broker's watchdog: the worker tells which message it has begun, and each has its time. */
  #watchProgress(): {
    readonly late: Promise<never>;
    readonly timer: ReturnType<typeof setInterval>;
  } {
    const { timeoutMs } = this.manifest.limits;
    const words = this.#link.progress;
    const late = Promise.withResolvers<never>();
    let begun = "";
    let sinceMs = performance.now();
    const timer = setInterval(() => {
      const now = words === null ? "" : `${words[1]} ${Atomics.load(words, 0)}`;
      const nowMs = performance.now();
      if (now !== begun) {
        begun = now;
        sinceMs = nowMs;
      } else if (nowMs - sinceMs > timeoutMs) {
        this.#isLost = true;
        const place = words === null ? "the batch" : `message ${words[2]}`;
        late.reject(
          new CliError(`run: ${place} took longer than its limit of ${formatDuration(timeoutMs)}`),
        );
      }
    }, timeoutMs / LOOKS_PER_TIMEOUT);
    return { late: late.promise, timer };
  }
}

/** The answer of a worker, or a CliError when there is none. */
async function answered<Result>(answer: Promise<Result>, what: string): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = new CliError(
      `${what}: no answer for ${formatDuration(MAX_ANSWER_MS)}; an endless loop?`,
    );
    timer = setTimeout(() => reject(error), MAX_ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { message } = error as Error;
    throw new CliError(`${what}: the worker was lost: ${message}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** What went wrong, where, and how to see it. */
export function faultText({ type, name, message, file, line }: TransformFault): string {
  const place = file === null ? "" : `\n  at ${file}${line === null ? "" : `:${line}`}`;
  const kind = name === "Error" || name === "TransformLoadError" ? "" : `${name}: `;
  const hint = type === "config" ? "\n  --config gives it one" : "";
  return `${type}: ${kind}${message}${place}${hint}`;
}

function tellNotes(notes: WorkerNotes | null): void {
  for (const { level, message, fields } of notes?.logs ?? []) {
    const shown = Object.keys(fields).length === 0 ? "" : ` ${JSON.stringify(fields)}`;
    say(`${level}: ${message}${shown}`);
  }
  for (const { fault } of notes?.faults ?? []) say(faultText(fault));
}
