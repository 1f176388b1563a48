import type { ConfigProblem } from "./config-error.ts";
import { unknownName } from "./config.ts";
import type { RawValue } from "./config.ts";
import { shown } from "./option.ts";
import type { Option } from "./option.ts";
import { flagOf, OPTION_NAMES, OPTIONS, variableOf } from "./options.ts";
import type { OptionName } from "./options.ts";

/** What one source gives, and the problems met while reading it. */
export interface Source {
  readonly given: Map<OptionName, RawValue>;
  readonly problems: ConfigProblem[];
  /** Config file this source names. */
  file: RawValue | null;
}

function newSource(): Source {
  return { given: new Map(), problems: [], file: null };
}

export const CONFIG_VARIABLE = "TICKWIRE_CONFIG";
export const CONFIG_FLAG = "--config";

const BY_VARIABLE = new Map(OPTION_NAMES.map((name) => [variableOf(name), name]));
const BY_FLAG = new Map(OPTION_NAMES.map((name) => [flagOf(name), name]));

/** Reads TICKWIRE_* variables; one that is not known is a problem unless `others` has it. */
export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  others: readonly string[],
): Source {
  const source = newSource();
  for (const [variable, raw] of Object.entries(env)) {
    if (!variable.startsWith("TICKWIRE_") || raw === undefined || others.includes(variable))
      continue;
    const name = BY_VARIABLE.get(variable);
    if (name !== undefined) source.given.set(name, { raw, where: variable });
    else if (variable === CONFIG_VARIABLE) source.file = { raw, where: variable };
    else
      source.problems.push({
        where: variable,
        message: unknownName(variable, [...BY_VARIABLE.keys(), CONFIG_VARIABLE]),
      });
  }
  return source;
}

/**
 * Reads flags: `--port 9300`, `--port=9300`, `--reuse-port`, `--no-reuse-port`, and
 * `--api-keys one --api-keys two`.
 */
export function readFlags(argv: readonly string[]): Source {
  const source = newSource();
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] as string;
    const equals = argument.indexOf("=");
    const flag = equals < 0 ? argument : argument.slice(0, equals);
    let value = equals < 0 ? null : argument.slice(equals + 1);
    if (takesNext(flag) && value === null) {
      const next = argv[i + 1];
      if (next !== undefined && !next.startsWith("--")) {
        value = next;
        i++;
      }
    }
    readFlag(source, flag, value);
  }
  return source;
}

function takesNext(flag: string): boolean {
  const name = BY_FLAG.get(flag) ?? BY_FLAG.get(flag.replace(/^--no-/, "--"));
  // What follows an unknown flag is taken for its value, so that one mistake is told once.
  return flag.startsWith("--") && (name === undefined || OPTIONS[name].flagStyle !== "switch");
}

function readFlag(source: Source, flag: string, value: string | null): void {
  const { given, problems } = source;
  const negated = flag.startsWith("--no-")
    ? BY_FLAG.get(`--${flag.slice("--no-".length)}`)
    : undefined;
  const name = BY_FLAG.get(flag) ?? negated;
  if (flag === CONFIG_FLAG) {
    if (value === null) problems.push({ where: flag, message: "needs the path of a config file" });
    else source.file = { raw: value, where: flag };
    return;
  }
  if (name === undefined || (negated !== undefined && OPTIONS[negated].flagStyle !== "switch")) {
    const isFlag = flag.startsWith("--");
    const message = isFlag
      ? unknownName(flag, [...BY_FLAG.keys(), CONFIG_FLAG])
      : "is not expected here; options begin with --";
    problems.push({ where: isFlag ? flag : shown(flag), message });
    return;
  }
  const row: Option<unknown, unknown> = OPTIONS[name];
  const earlier = given.get(name);
  if (row.flagStyle === "switch") {
    if (negated !== undefined && value !== null)
      problems.push({ where: flag, message: "takes no value" });
    given.set(name, { raw: value ?? negated === undefined, where: flag });
  } else if (value === null) problems.push({ where: flag, message: `needs a value: ${row.type}` });
  else if (earlier === undefined) given.set(name, { raw: value, where: flag });
  else if (row.flagStyle === "list")
    given.set(name, { raw: `${String(earlier.raw)},${value}`, where: flag });
  else problems.push({ where: flag, message: "is given twice" });
}
