import { nearest } from "../broker/config/suggest.ts";
import type { Command } from "./command.ts";
import { COMMANDS, isCommandName } from "./commands.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { print } from "./output.ts";

export const help: Command = {
  help: overview,

  async run([name, ...rest]) {
    if (rest.length > 0) throw new UsageError("takes one command at most");
    if (name === undefined) {
      await print(`${overview()}\n`);
      return ExitCode.done;
    }
    if (!isCommandName(name)) throw new UsageError(unknownCommand(name));
    const command = await COMMANDS[name].load();
    await print(`${command.help()}\n`);
    return ExitCode.done;
  },
};

/** What to say of a command that there is not. */
export function unknownCommand(name: string): string {
  const hint = name.startsWith("-") ? null : nearest(name, Object.keys(COMMANDS));
  return `there is no command ${name}${hint === null ? "" : `; did you mean ${hint}?`}`;
}

function overview(): string {
  const rows = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(11)}${summary}`,
  );
  return `tickwire - a message broker for real-time channels

usage: tickwire <command> [arguments]

${rows.join("\n")}

\`tickwire <command> --help\` explains a command.
pub, sub, slow, trace and transform reach the broker at --url, else TICKWIRE_URL,
else port 9300 of this machine, and show it the token of --token, else TICKWIRE_TOKEN.

Try it, in two terminals:
  tickwire serve
  tickwire sub 'market.>'
  tickwire pub market.xrp '{"bid":1.95}'

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted before it was done.`;
}
