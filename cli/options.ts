import { parseArgs } from "node:util";

import { nearest } from "../broker/config/suggest.ts";
import { UsageError } from "./errors.ts";

/** One option of a command: what is parsed and what its help says. */
export interface OptionSpec {
  readonly type: "string" | "boolean";
  readonly short?: string;
  readonly multiple?: true;
  /** What stands for the value in help, `<n>`. */
  readonly value?: string;
  readonly text: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

type ValueOf<Spec extends OptionSpec> = Spec["type"] extends "boolean"
  ? boolean
  : Spec extends { readonly multiple: true }
    ? readonly string[]
    : string;

/** Options by name; those not given are undefined. */
export type OptionValues<Specs extends OptionSpecs> = {
  readonly [Name in keyof Specs]: ValueOf<Specs[Name]> | undefined;
};

export interface Arguments<Specs extends OptionSpecs> {
  readonly options: OptionValues<Specs>;
  readonly positionals: readonly string[];
}

/**
 * Parses what follows a command's name.
 * @throws UsageError for what the command does not know
 */
export function parseArguments<const Specs extends OptionSpecs>(
  specs: Specs,
  argv: readonly string[],
): Arguments<Specs> {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short === undefined ? {} : { short }), multiple: multiple === true },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options,
      allowPositionals: true,
      strict: true,
    });
    return { options: values as OptionValues<Specs>, positionals };
  } catch (error) {
    throw new UsageError(explain(error as Error & { code?: string }, specs, argv), {
      cause: error,
    });
  }
}

/** The parser's complaint in our words, with the option that was probably meant. */
function explain(
  error: Error & { code?: string },
  specs: OptionSpecs,
  argv: readonly string[],
): string {
  // The sentence of the parser ends where its advice on quoting begins.
  const sentence = error.message.replace(/\.\s(?:To specify|Did you forget)[\s\S]*$/, "");
  const [, dashed] = /^Option '(?:-\w, )?(--\S+)' argument is ambiguous/.exec(sentence) ?? [];
  if (dashed !== undefined) {
    return `${dashed} needs a value; one that begins with - is given as ${dashed}=<value>`;
  }
  if (error.code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION") return sentence;
  const unknown = argv.find((argument) => {
    const [, name] = /^--(?:no-)?([^=]+)/.exec(argument) ?? [];
    return name !== undefined && !Object.hasOwn(specs, name);
  });
  if (unknown === undefined) {
    const [, letter] = /'-?(.)'/.exec(sentence) ?? [];
    if (letter === undefined) return sentence;
    return `there is no option -${letter}; what begins with - and is no option goes after --`;
  }
  const flag = unknown.replace(/=.*$/, "");
  const hint = nearest(flag, Object.keys(specs));
  return hint === null
    ? `there is no option ${flag}`
    : `there is no option ${flag}; did you mean --${hint}?`;
}

const HELP_WIDTH = 80;
const MAX_FLAG_WIDTH = 28;

/** The options as help lists them, one block of aligned lines. */
export function optionsHelp(specs: OptionSpecs): string {
  const rows = Object.entries(specs).map(([name, { short, value, text }]) => {
    const flag = `${short === undefined ? "" : `-${short}, `}--${name}`;
    return { flag: `  ${flag}${value === undefined ? "" : ` ${value}`}`, text };
  });
  const width = Math.min(MAX_FLAG_WIDTH, Math.max(...rows.map(({ flag }) => flag.length)) + 2);
  return rows.flatMap(({ flag, text }) => helpLines(flag, text, width)).join("\n");
}

/** A flag too long for its column has a line of its own. */
function helpLines(flag: string, text: string, width: number): string[] {
  const lines = wrap(text, HELP_WIDTH - width);
  if (flag.length + 2 > width) lines.unshift("");
  return lines.map((line, i) => (i === 0 ? flag : "").padEnd(width) + line);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}
