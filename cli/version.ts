import manifest from "../package.json" with { type: "json" };
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import type { Command } from "./command.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { print } from "./output.ts";

export const version: Command = {
  help: () => "tickwire version\n\nPrints the version of Tickwire, of its protocol and of Bun.",

  async run(argv) {
    if (argv.length > 0) throw new UsageError("takes no arguments");
    await print(
      `tickwire ${manifest.version} (protocol ${PROTOCOL_VERSION}, Bun ${Bun.version})\n`,
    );
    return ExitCode.done;
  },
};
