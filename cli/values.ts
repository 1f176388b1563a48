import { parseDurationMs } from "../broker/config/units.ts";
import { channelNameKind } from "../protocol/channel-name.ts";
import { UsageError } from "./errors.ts";

/** Values of options and arguments, read from text. All throw UsageError, naming the flag. */

/** A whole number from `min` to `max`. */
export function wholeNumber(
  flag: string,
  text: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
  throw new UsageError(`${flag} must be a whole number, ${range}; not ${JSON.stringify(text)}`);
}

/** A number above 0. */
export function positiveNumber(flag: string, text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0)) {
    throw new UsageError(`${flag} must be a number above 0; not ${JSON.stringify(text)}`);
  }
  return value;
}

/** "10s", "5m", "250ms" or a plain number of seconds, in ms. */
export function durationMs(
  flag: string,
  text: string,
  maxMs: number = Number.MAX_SAFE_INTEGER,
): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDurationMs(text);
  if (ms !== null && ms > 0 && ms <= maxMs) return ms;
  const limit =
    maxMs === Number.MAX_SAFE_INTEGER
      ? ""
      : `, at most ${maxMs % 60_000 === 0 ? `${maxMs / 60_000}m` : `${maxMs / 1000}s`}`;
  throw new UsageError(
    `${flag} must be a duration such as 10s or 500ms${limit}; not ${JSON.stringify(text)}`,
  );
}

/** The name of one channel. */
export function channelName(text: string): string {
  if (channelNameKind(text) === "name") return text;
  throw new UsageError(
    channelNameKind(text) === "pattern"
      ? `${text} is a pattern; give the name of one channel`
      : notAChannel(text),
  );
}

/** The name of a channel, or a pattern of names. */
export function channelOrPattern(text: string): string {
  if (channelNameKind(text) !== "invalid") return text;
  throw new UsageError(notAChannel(text));
}

function notAChannel(text: string): string {
  const rule =
    "letters, digits and _ : / @ - in segments between dots, at most 255 characters; in a pattern a segment may be *, the last one >";
  return `${JSON.stringify(text)} is no channel name (${rule})`;
}
