import { readFileSync } from "node:fs";

import { CliError, UsageError } from "../errors.ts";
import { channelOrPattern } from "../values.ts";

/** Options of the commands that load a transform. */
export const LOAD_OPTIONS = {
  config: {
    type: "string",
    value: "<json|@file>",
    text: "its configuration, as a binding has it; default: none",
  },
  emit: {
    type: "string",
    multiple: true,
    value: "<pattern>",
    text: "channels it may emit to; may be given more than once",
  },
} as const;

export const JSON_OPTION = {
  type: "boolean",
  text: "JSON on standard output, and nothing else there",
} as const;

/** What LOAD_OPTIONS come to. @throws UsageError */
export function loadOptions(options: {
  readonly config: string | undefined;
  readonly emit: readonly string[] | undefined;
}): { config: unknown; emit: readonly string[] } {
  return {
    config: options.config === undefined ? null : jsonValue("--config", options.config),
    emit: (options.emit ?? []).map(channelOrPattern),
  };
}

/** The one path of a command line, or the folder one is in. */
export function pathOf(positionals: readonly string[]): string {
  if (positionals.length > 1) throw new UsageError("takes one path");
  return positionals[0] ?? ".";
}

/** JSON, or JSON from a file behind an @. @throws UsageError, CliError */
export function jsonValue(flag: string, text: string): unknown {
  const source = text.startsWith("@") ? new TextDecoder().decode(fileBytes(text.slice(1))) : text;
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new UsageError(`${flag} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** A payload: the text itself, or the bytes of a file behind an @. */
export function payloadBytes(text: string): Uint8Array {
  return text.startsWith("@") ? fileBytes(text.slice(1)) : new TextEncoder().encode(text);
}

function fileBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
