import { ExitCode } from "./errors.ts";

/**
 * Ctrl-C and SIGTERM of a command that has something to finish: the first asks it to end, the second ends it
 * at once.
 */
export class Interrupt {
  /** Exit code for a command that ends before its work is done; null while nothing has asked it to. */
  code: number | null = null;
  readonly #requested = Promise.withResolvers<void>();

  constructor() {
    process.on("SIGINT", () => this.#onSignal(ExitCode.interrupted));
    process.on("SIGTERM", () => this.#onSignal(ExitCode.terminated));
  }

  get isRequested(): boolean {
    return this.code !== null;
  }

  /** Resolves when the command is to end. */
  get requested(): Promise<void> {
    return this.#requested.promise;
  }

  #onSignal(code: number): void {
    if (this.code !== null) process.exit(code);
    this.code = code;
    this.#requested.resolve();
  }
}
