import { jsonFieldTime } from "../lines/pace.ts";
import type { LineTime } from "../lines/pace.ts";

/** Fields that feeds keep their time in. */
const TIME_FIELDS = ["ts", "time", "timestamp", "t", "T", "E", "data.ts", "data.time"];
/** Times above these are not in ms since 1970 but in µs, or ns: the year 5138 in ms. */
const MAX_MS = 1e14;
const MAX_US = 1e17;
/** Times below are in s: the year 1973 in ms. */
const MIN_MS = 1e11;

/** Finds out how the lines of a feed carry their time, from one of them; null when they do not. */
export function detectLineTime(line: Uint8Array): { name: string; timeOf: LineTime } | null {
  for (const field of TIME_FIELDS) {
    const timeOf = jsonFieldTime(field);
    if (timeOf(line) === null) continue;
    return { name: `the field ${field}`, timeOf: (item) => scaled(timeOf(item)) };
  }
  if (firstColumnTime(line) === null) return null;
  return { name: "the first column", timeOf: firstColumnTime };
}

function scaled(time: number | null): number | null {
  if (time === null || time <= 0) return null;
  if (time > MAX_US) return time / 1e6;
  if (time > MAX_MS) return time / 1e3;
  return time < MIN_MS ? time * 1000 : time;
}

/** The time in the first column of CSV: a number, ISO 8601, or `YYYYMMDD hhmmssmmm`. */
export function firstColumnTime(line: Uint8Array): number | null {
  const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("latin1");
  const column = /^"?([^,;\t"]*)/.exec(text)?.[1]?.trim() ?? "";
  const compact = /^(\d{4})(\d\d)(\d\d)[ T](\d\d)(\d\d)(\d\d)(\d{3})?$/.exec(column);
  if (compact !== null) {
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0] = compact
      .slice(1)
      .map((digits: string | undefined) => Number(digits ?? 0));
    return Date.UTC(year, month - 1, day, hour, minute, second, ms);
  }
  if (/^\d+(\.\d+)?$/.test(column)) return scaled(Number(column));
  const isDate = /^\d{4}-\d\d-\d\d/.test(column);
  const time = isDate ? Date.parse(column.replace(" ", "T")) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}
