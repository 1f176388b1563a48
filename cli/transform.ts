import { nearest } from "../broker/config/suggest.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./errors.ts";
import { optionsHelp } from "./options.ts";
import { bench } from "./transform/bench.ts";
import { create } from "./transform/create.ts";
import { dryRun } from "./transform/dry-run.ts";
import { inspect } from "./transform/inspect.ts";
import { deploy, promote, rollback, status } from "./transform/remote.ts";
import type { Subcommand } from "./transform/subcommand.ts";
import { test } from "./transform/test.ts";

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  create,
  test,
  bench,
  inspect,
  "dry-run": dryRun,
  status,
  deploy,
  promote,
  rollback,
};

export const transform: Command = {
  help(argv = []) {
    const asked = argv.find((one) => !one.startsWith("-"));
    const found = asked === undefined ? undefined : subcommand(asked);
    if (found !== undefined) return helpOf(found);
    const blocks = Object.values(SUBCOMMANDS).map(helpOf);
    return `tickwire transform <${Object.keys(SUBCOMMANDS).join("|")}>

Plugins that publications go through before they are published. A [path] is a
module, or the folder of one; default: the folder one is in. docs/transforms.md
begins from nothing.

${blocks.join("\n\n")}

Exit codes: 0 done, 1 failed (a test, a broker that refuses), 2 wrong usage,
130 interrupted.`;
  },

  async run([name, ...rest]) {
    const names = Object.keys(SUBCOMMANDS);
    if (name === undefined) throw new UsageError(`needs one of ${names.join(", ")}`);
    const found = subcommand(name);
    if (found !== undefined) return found.run(rest);
    const hint = nearest(name, names);
    throw new UsageError(
      `there is no ${name}${hint === null ? `; there are ${names.join(", ")}` : `; did you mean ${hint}?`}`,
    );
  },
};

function subcommand(name: string): Subcommand | undefined {
  return Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
}

function helpOf({ usage, summary, options }: Subcommand): string {
  const lines = optionsHelp(options);
  return `tickwire transform ${usage}\n  ${summary}${lines === "" ? "" : `\n${lines}`}`;
}
