/** One thing wrong with the configuration. */
export interface ConfigProblem {
  /** Where the value came from, as the operator wrote it: `TICKWIRE_PORT`, `--port`, `port in <file>`. */
  readonly where: string;
  /** What is wrong and what to do about it; never the value of a secret. */
  readonly message: string;
}

/** The configuration cannot be used. Carries every problem found, not just the first. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ where, message }) => `  - ${where}: ${message}`);
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    super(`The configuration has ${count}:\n${lines.join("\n")}`);
    this.problems = problems;
  }
}

/** A value an option cannot take; the caller knows where it came from. */
export class BadValue extends Error {
  override readonly name = "BadValue";
}
