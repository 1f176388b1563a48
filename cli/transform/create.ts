import { relative, resolve } from "node:path";

import { ExitCode, UsageError } from "../errors.ts";
import { parseArguments } from "../options.ts";
import { print } from "../output.ts";
import { isTransformName, writeScaffold } from "./scaffold.ts";
import type { Subcommand } from "./subcommand.ts";

const OPTIONS = {
  dir: { type: "string", value: "<folder>", text: "where to; default: a folder of that name here" },
} as const;

export const create: Subcommand = {
  usage: "create <name> [--dir <folder>]",
  summary: "writes a new transform, with a test and a case",
  options: OPTIONS,

  async run(argv) {
    const { options, positionals } = parseArguments(OPTIONS, argv);
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0) throw new UsageError("create needs one name");
    if (!isTransformName(name)) {
      throw new UsageError(`${JSON.stringify(name)} is no name: lower case words with hyphens`);
    }
    const folder = resolve(options.dir ?? name);
    const files = await writeScaffold(folder, name);
    const shown = relative(process.cwd(), folder) || ".";
    await print(
      `${files.map((file) => `  ${file}`).join("\n")}

Made in ${shown}. Next:
  cd ${shown}
  tickwire transform test
  tickwire transform bench
`,
    );
    return ExitCode.done;
  },
};
