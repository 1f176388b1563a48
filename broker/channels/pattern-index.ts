/** One level of the tree: what follows after the segments so far. */
class PatternNode<Value> {
  readonly children = new Map<string, PatternNode<Value>>();
  /** Values of the pattern that ends here. */
  readonly values = new Set<Value>();
  /** Values of the pattern that goes on with ">" here. */
  readonly tails = new Set<Value>();

  get isEmpty(): boolean {
    return this.children.size === 0 && this.values.size === 0 && this.tails.size === 0;
  }
}

/**
 * Finds the values of all patterns that match a channel name, in time that depends on the name's length
 * and the number of matches, not on the number of patterns. test/support/plain-patterns.ts is its plain twin.
 */
export class PatternIndex<Value> {
  readonly #root = new PatternNode<Value>();

  add(pattern: string, value: Value): void {
    const segments = pattern.split(".");
    let node = this.#root;
    for (const segment of segments) {
      if (segment === ">") {
        node.tails.add(value);
        return;
      }
      let child = node.children.get(segment);
      if (child === undefined) {
        child = new PatternNode();
        node.children.set(segment, child);
      }
      node = child;
    }
    node.values.add(value);
  }

  remove(pattern: string, value: Value): void {
    this.#remove(this.#root, pattern.split("."), 0, value);
  }

  #remove(
    node: PatternNode<Value>,
    segments: readonly string[],
    depth: number,
    value: Value,
  ): void {
    const segment = segments[depth];
    if (segment === undefined) node.values.delete(value);
    else if (segment === ">") node.tails.delete(value);
    else {
      const child = node.children.get(segment);
      if (child === undefined) return;
      this.#remove(child, segments, depth + 1, value);
      if (child.isEmpty) node.children.delete(segment);
    }
  }

  /** Calls `visit` for each value whose pattern matches, once per pattern. */
  match(name: string, visit: (value: Value) => void): void {
    this.#match(this.#root, name.split("."), 0, visit);
  }

  #match(
    node: PatternNode<Value>,
    segments: readonly string[],
    depth: number,
    visit: (value: Value) => void,
  ): void {
    const segment = segments[depth];
    if (segment === undefined) {
      node.values.forEach(visit);
      return;
    }
    node.tails.forEach(visit);
    const exact = node.children.get(segment);
    if (exact !== undefined) this.#match(exact, segments, depth + 1, visit);
    const any = node.children.get("*");
    if (any !== undefined) this.#match(any, segments, depth + 1, visit);
  }
}
