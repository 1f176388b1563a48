import { ConfigError } from "../broker/config/config-error.ts";
import { CONFIG_FLAG } from "../broker/config/sources.ts";
import { UsageError } from "./errors.ts";

/**
 * Options that are wrong on the command line are wrong usage; anything else is a wrong configuration, also what
 * is in a file that the command line names.
 */
export function asUsageError(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error;
  const isUsage = error.problems.every(({ where }) => /^["-]/.test(where) && where !== CONFIG_FLAG);
  if (!isUsage) return error;
  const lines = error.problems.map(({ where, message }) => `${where} ${message}`);
  return new UsageError(lines.join("\n  "), { cause: error });
}
