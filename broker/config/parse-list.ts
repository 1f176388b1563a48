import { BadValue } from "./config-error.ts";
import { shown } from "./option.ts";

/**
 * The items of a list, or of JSON text that holds one.
 * @param what the items, as error messages name them
 * @throws BadValue
 */
export function parseList(raw: unknown, what: string, max: number): readonly unknown[] {
  const list = typeof raw === "string" ? parseJson(raw) : raw;
  if (!Array.isArray(list)) throw new BadValue(`${shown(raw)} is not a list of ${what}`);
  if (list.length > max) throw new BadValue(`has ${list.length} entries; ${max} at most`);
  return list as readonly unknown[];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BadValue(`is not JSON: ${(error as Error).message}`, { cause: error });
  }
}
