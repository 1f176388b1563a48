import { ConfigError } from "../broker/config/config-error.ts";
import { UsageError } from "./errors.ts";

/** Options that are wrong on the command line are wrong usage; other sources are a wrong configuration. */
export function asUsageError(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error;
  const isUsage = error.problems.every(({ where }) => /^["-]/.test(where));
  if (!isUsage) return error;
  const lines = error.problems.map(({ where, message }) => `${where} ${message}`);
  return new UsageError(lines.join("\n  "), { cause: error });
}
