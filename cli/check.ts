import { redact } from "../broker/config/config-text.ts";
import { OPTION_NAMES } from "../broker/config/options.ts";
import { resolveConfig } from "../broker/config/resolve.ts";
import type { ResolvedConfig } from "../broker/config/resolve.ts";
import type { Command } from "./command.ts";
import { asUsageError, checkFlags } from "./config-usage.ts";
import { OTHER_VARIABLES } from "./environment.ts";
import { ExitCode } from "./errors.ts";
import { print } from "./output.ts";
import { checkBindings } from "./transform/check-bindings.ts";

export const check: Command = {
  help: () => `tickwire check [file] [options of serve]

Reads the configuration as \`tickwire serve\` would - the file (default:
tickwire.config.ts, .js or .json here), TICKWIRE_* variables and options - and
prints what it comes to and where each value is from. Secrets are hidden. The
modules of transforms are loaded, and check their configuration. What is wrong is
listed, with what to do about it.

  --json  one JSON object instead of a table

Exit codes: 0 the configuration can be used, 1 it cannot, 2 an option is wrong.`,

  async run(argv) {
    const isJson = argv.includes("--json");
    const rest = argv.filter((argument) => argument !== "--json");
    const [first] = rest;
    const hasFile = first !== undefined && !first.startsWith("-");
    const args = hasFile ? ["--config", first, ...rest.slice(1)] : rest;
    checkFlags(args);
    const request = {
      argv: args,
      env: process.env,
      cwd: process.cwd(),
      otherVariables: OTHER_VARIABLES,
    };
    const resolved = await resolveConfig(request).catch((error: unknown) => {
      throw asUsageError(error);
    });
    await checkBindings(resolved.config.transforms, resolved.sources.transforms);
    await print(isJson ? `${JSON.stringify(redact(resolved.config), null, 2)}\n` : table(resolved));
    return ExitCode.done;
  },
};

/** Shown below the others, as lists. */
const OWN_TABLE: ReadonlySet<string> = new Set(["namespaces", "transforms"]);

function table({ config, sources, file }: ResolvedConfig): string {
  const shown = redact(config);
  const rows = OPTION_NAMES.filter((name) => !OWN_TABLE.has(name)).map((name) => [
    name,
    valueText(shown[name]),
    sources[name],
  ]);
  const nameWidth = Math.max(...rows.map(([name]) => (name as string).length));
  const valueWidth = Math.max(...rows.map(([, value]) => (value as string).length));
  const lines = rows.map(([name = "", value = "", source = ""]) =>
    `${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${source === "default" ? "" : source}`.trimEnd(),
  );
  const namespaces = config.namespaces.map(({ pattern, ...options }) => {
    const values = Object.entries(options).map(([name, value]) => `${name}=${value}`);
    return `  ${pattern}  ${values.join(" ")}`;
  });
  const transforms = config.transforms.map(
    ({ id, use, channels, onError, workers, isolation }) =>
      `  ${id}  ${use}  channels=${channels.join(",")} onError=${onError} workers=${workers} isolation=${isolation}`,
  );
  const transformText =
    transforms.length === 0 ? "" : `\ntransforms, in the order they run:\n${transforms.join("\n")}`;
  const from = file === null ? "no config file" : `config file ${file}`;
  return `${lines.join("\n")}\nnamespaces, the first that matches a channel counts:\n${namespaces.join("\n")}${transformText}\n\nThe configuration is good (${from}).\n`;
}

function valueText(value: unknown): string {
  if (value === null) return "-";
  if (Array.isArray(value)) return value.length === 0 ? "-" : value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
