import { patternMatches } from "../../protocol/channel-name.ts";

/** The plain twin of PatternIndex: a list that is searched from end to end. */
export class PlainPatterns<Value> {
  #entries: { readonly pattern: string; readonly value: Value }[] = [];

  add(pattern: string, value: Value): void {
    this.remove(pattern, value);
    this.#entries.push({ pattern, value });
  }

  remove(pattern: string, value: Value): void {
    this.#entries = this.#entries.filter(
      (entry) => entry.pattern !== pattern || entry.value !== value,
    );
  }

  /** A value once for each of its patterns that matches. */
  match(name: string): Value[] {
    return this.#entries
      .filter(({ pattern }) => patternMatches(pattern, name))
      .map(({ value }) => value);
  }
}
