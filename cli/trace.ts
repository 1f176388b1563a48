import type { Command } from "./command.ts";
import { UsageError } from "./errors.ts";
import { optionsHelp } from "./options.ts";
import { publish } from "./trace/publish.ts";
import { rule } from "./trace/rule.ts";
import { show } from "./trace/show.ts";
import type { Subcommand } from "./transform/subcommand.ts";

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = { publish, rule };

export const trace: Command = {
  help() {
    const blocks = [show, ...Object.values(SUBCOMMANDS)].map(
      ({ usage, summary, options }) =>
        `tickwire trace ${usage}\n  ${summary}\n${optionsHelp(options)}`,
    );
    return `tickwire trace <id> | publish <channel> | rule <add|list|remove>

Where the time of single publications went. Ids of traces are in Jaeger, in the
meta of publications, in \`tickwire slow\` and in exemplars of /metrics.
docs/tracing.md tells the rest.

${blocks.join("\n\n")}

Examples:
  tickwire trace publish market.xrp --data '{"bid":1.95}'
  tickwire trace rule add --channel 'market.>' --for 5m

Exit codes: 0 done, 1 failed (no such trace, a broker that refuses, a publication
that did not arrive), 2 wrong usage.`;
  },

  async run(argv) {
    const [name, ...rest] = argv;
    if (name === undefined) {
      throw new UsageError(`needs a trace id, or one of ${Object.keys(SUBCOMMANDS).join(", ")}`);
    }
    const found = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
    return found === undefined ? show.run(argv) : found.run(rest);
  },
};
