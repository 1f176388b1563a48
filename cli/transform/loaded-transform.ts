import type {
  BatchReply,
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

  /** Runs a batch; what the transform logs is told. @throws CliError when the worker is lost */
  async run(slab: Uint8Array, attempt: number): Promise<BatchReply> {
    const request = { number: ++this.#number, attempt, slab };
    const reply = await answered(this.calls.run(request), "run");
    tellNotes(reply.notes);
    return reply;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await answered(this.calls.unload(), "teardown").catch((error: unknown) =>
      say((error as Error).message),
    );
    this.#link.end();
  }
}

/** The answer of a worker, or a CliError when there is none. */
export async function answered<Result>(answer: Promise<Result>, what: string): Promise<Result> {
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
