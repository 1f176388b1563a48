/** The command line is wrong: exit code 2, with a hint to the command's help. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command could not do its work: exit code 1. The message is a sentence for people. */
export class CliError extends Error {
  override readonly name = "CliError";
}

export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Ended by Ctrl-C before the work was done, as a shell reports it: 128 + SIGINT. */
  interrupted: 130,
  /** The same by SIGTERM. */
  terminated: 143,
} as const;
