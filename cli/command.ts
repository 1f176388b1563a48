/** One command of `tickwire`. */
export interface Command {
  /**
   * What `tickwire <name> --help` prints, without a newline at the end.
   * @param argv what else is on the command line, for a command that has several below it
   */
  help(argv?: readonly string[]): string;
  /**
   * Runs the command with the arguments after its name, and returns the exit code.
   * @throws UsageError, CliError and the coded errors of broker and client, which main.ts tells people
   */
  run(argv: readonly string[]): Promise<number>;
}
