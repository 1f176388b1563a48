import { ConfigError } from "../broker/config/config-error.ts";
import { TickwireError } from "../client/index.ts";
import { COMMANDS, isCommandName } from "./commands.ts";
import { CliError, ExitCode, UsageError } from "./errors.ts";
import { unknownCommand } from "./help.ts";
import { print, say } from "./output.ts";

/** `tickwire <command> [arguments]`: finds the command, runs it, and tells people what went wrong. */
async function main([first, ...rest]: readonly string[]): Promise<number> {
  const name = first === undefined || first === "--help" || first === "-h" ? "help" : first;
  if (name === "--version" || name === "-v") return main(["version", ...rest]);
  try {
    if (!isCommandName(name)) throw new UsageError(unknownCommand(name));
    const command = await COMMANDS[name].load();
    if (asksForHelp(rest)) {
      await print(`${command.help(rest)}\n`);
      return ExitCode.done;
    }
    return await command.run(rest);
  } catch (error) {
    return tell(error, isCommandName(name) ? name : null);
  }
}

/** What follows `--` is never an option. */
function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  const options = end < 0 ? argv : argv.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

/** One sentence for what was expected to happen; a defect of ours is named as one. Never a stack trace. */
function tell(error: unknown, command: string | null): number {
  const prefix = command === null ? "tickwire" : `tickwire ${command}`;
  if (error instanceof UsageError) {
    say(
      `${prefix}: ${error.message}\nTry: ${command === null ? "tickwire help" : `${prefix} --help`}`,
    );
    return ExitCode.usage;
  }
  const isExpected =
    error instanceof CliError || error instanceof ConfigError || error instanceof TickwireError;
  const message = error instanceof Error ? error.message : String(error);
  say(`${prefix}: ${isExpected ? message : `unexpected failure: ${message}`}`);
  return ExitCode.failed;
}

// People who closed their end of standard error do not want to hear of it.
process.stderr.on("error", () => {});
// No top-level await: until it ends, Bun only prints what is uncaught and runs on.
void main(process.argv.slice(2)).then((code) => process.exit(code));
