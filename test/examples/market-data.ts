import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Recorded feeds: where TICKWIRE_DATA says, else beside the checkout. They are no part of it. */
const FOLDER =
  process.env["TICKWIRE_DATA"] ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));

/** Path of a recorded feed; null, said aloud, when there is none. */
export function recordedFeed(name: string): string | null {
  const path = join(FOLDER, name);
  if (existsSync(path)) return path;
  process.stderr.write(
    `SKIPPED what needs ${path}: there is none (TICKWIRE_DATA names a folder)\n`,
  );
  return null;
}

/** Lines of a feed that end in CR LF or LF. */
export function feedLines(path: string): string[] {
  return readFileSync(path, "utf8")
    .split(/\r?\n/)
    .filter((line) => line !== "");
}

/** Lines of the fixture in this checkout: the same form, a short generated feed. */
export const FIXTURE = fileURLToPath(new URL("fixtures/order-book.ndjson", import.meta.url));

/**
 * A row `date time,bid,ask,volume` of quotes as an update with one level on each side; the row's number is that of
 * the update.
 */
export function quoteUpdate(row: string, id: number): string {
  const [time = "", bid = "", ask = ""] = row.split(",");
  const [, year, month, day, hour, minute, second, ms] =
    /^(\d{4})(\d\d)(\d\d) (\d\d)(\d\d)(\d\d)(\d{3})$/.exec(time) ?? [];
  const ts = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  return JSON.stringify({
    type: "snapshot",
    ts,
    data: { u: id, b: [[bid, "1"]], a: [[ask, "1"]] },
  });
}
