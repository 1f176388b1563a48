import { BadValue } from "./config-error.ts";
import type { ConfigProblem } from "./config-error.ts";
import { readConfigFile } from "./config-file.ts";
import type { ConfigFile } from "./config-file.ts";
import { collectInput, finishConfig } from "./config.ts";
import type { BrokerConfig, RawValue } from "./config.ts";
import { OPTION_NAMES } from "./options.ts";
import type { OptionName } from "./options.ts";
import { readEnvironment, readFlags } from "./sources.ts";
import { anchorTransforms } from "./transforms.ts";

export interface ConfigRequest {
  /** Arguments after the command's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where config files are looked for. */
  readonly cwd: string;
  /** TICKWIRE_* variables that something else reads; any other unknown one is a problem. */
  readonly otherVariables?: readonly string[];
}

export interface ResolvedConfig {
  readonly config: BrokerConfig;
  /** Where each option's value came from: "default", `TICKWIRE_PORT`, `--port`, `port in <file>`. */
  readonly sources: Readonly<Record<OptionName, string>>;
  /** The config file that was read, relative to the working directory. */
  readonly file: string | null;
}

/**
 * Reads the configuration: defaults, then the config file, then the environment, then flags.
 * @throws ConfigError with every problem found
 */
export async function resolveConfig(request: ConfigRequest): Promise<ResolvedConfig> {
  const environment = readEnvironment(request.env, request.otherVariables ?? []);
  const flags = readFlags(request.argv);
  const problems: ConfigProblem[] = [];
  const given = new Map<OptionName, RawValue>();
  const named = flags.file ?? environment.file;
  const file = await readFile(named, request.cwd, problems);
  if (file !== null) {
    const content = anchorTransforms(file.content, file.directory);
    collectInput(content, ` in ${file.name}`, given, problems);
  }
  for (const source of [environment, flags]) {
    problems.push(...source.problems);
    for (const [name, value] of source.given) given.set(name, value);
  }
  const config = finishConfig(given, problems);
  const sources = Object.fromEntries(
    OPTION_NAMES.map((name) => [name, given.get(name)?.where ?? "default"]),
  ) as Record<OptionName, string>;
  return { config, sources, file: file?.name ?? null };
}

async function readFile(
  named: RawValue | null,
  cwd: string,
  problems: ConfigProblem[],
): Promise<ConfigFile | null> {
  try {
    return await readConfigFile(named, cwd);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    problems.push({ where: named?.where ?? "config file", message: error.message });
    return null;
  }
}
