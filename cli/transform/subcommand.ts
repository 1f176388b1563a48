import type { OptionSpecs } from "../options.ts";

/** One of `tickwire transform <name>`. */
export interface Subcommand {
  /** What follows `tickwire transform`. */
  readonly usage: string;
  /** A line of help. */
  readonly summary: string;
  readonly options: OptionSpecs;
  /** As `Command.run`. */
  run(argv: readonly string[]): Promise<number>;
}
