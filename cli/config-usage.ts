import { ConfigError } from "../broker/config/config-error.ts";
import type { ConfigProblem } from "../broker/config/config-error.ts";
import { CONFIG_FLAG, readFlags } from "../broker/config/sources.ts";
import { UsageError } from "./errors.ts";

/**
 * Of a command line that is wrong as such, before any file is read: nothing else is worth saying then.
 * @throws UsageError
 */
export function checkFlags(argv: readonly string[]): void {
  const { problems } = readFlags(argv);
  if (problems.length > 0) throw usageError(problems);
}

/**
 * Options that are wrong on the command line are wrong usage; anything else is a wrong configuration, also what
 * is in a file that the command line names.
 */
export function asUsageError(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error;
  const isUsage = error.problems.every(({ where }) => /^["-]/.test(where) && where !== CONFIG_FLAG);
  if (!isUsage) return error;
  return usageError(error.problems, error);
}

function usageError(problems: readonly ConfigProblem[], cause?: unknown): UsageError {
  const lines = problems.map(({ where, message }) => `${where} ${message}`);
  return new UsageError(lines.join("\n  "), { cause });
}
