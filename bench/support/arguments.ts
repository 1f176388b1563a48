import { parseArgs } from "node:util";
import type { ParseArgsOptionsConfig } from "node:util";

/** The command line cannot be followed; the message says why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The values of flags. @throws UsageError when there is another, or one lacks its value */
export function parseFlags<const Flags extends ParseArgsOptionsConfig>(
  argv: readonly string[],
  options: Flags,
) {
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The parts of a comma-separated list, each once. */
export function list(text: string): string[] {
  return [...new Set(text.split(",").map((part) => part.trim()))];
}

/** @throws UsageError */
export function whole(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, not ${text}`);
}

/** Reads seconds; returns ms. @throws UsageError */
export function seconds(name: string, text: string): number {
  const value = Number(text);
  if (text !== "" && value >= 0.05 && value <= 600) return value * 1000;
  throw new UsageError(`--${name} must be from 0.05 to 600 seconds, not ${text}`);
}
