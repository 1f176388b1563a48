/**
 * Aho-Corasick automaton: finds any number of patterns in one pass over a text. Transitions are a dense table,
 * states * symbols, so that a step is one load whatever the number of patterns:
 *
 *   next[state * symbols + symbol] -> state
 *   lengths[state]  longest pattern that ends in this state, in symbols; 0 for none
 */
export class Automaton {
  readonly symbolCount: number;
  readonly stateCount: number;
  readonly #next: Int32Array;
  readonly #lengths: Int32Array;
  /** Edges of the trie alone, -1 for none: what the search with a tolerance walks. */
  readonly #trie: Int32Array;
  /** Length of the pattern that ends in this node of the trie; 0 for none. */
  readonly #ends: Int32Array;

  /** @param patterns none empty, as symbols below `symbolCount` */
  constructor(patterns: Iterable<readonly number[]>, symbolCount: number) {
    const list = [...patterns];
    const maxStates = 1 + list.reduce((sum, { length }) => sum + length, 0);
    const trie = new Int32Array(maxStates * symbolCount).fill(-1);
    const ends = new Int32Array(maxStates);
    let stateCount = 1;
    for (const pattern of list) {
      let state = 0;
      for (const symbol of pattern) {
        const edge = state * symbolCount + symbol;
        if (trie[edge] === -1) trie[edge] = stateCount++;
        state = trie[edge] as number;
      }
      ends[state] = pattern.length;
    }
    this.symbolCount = symbolCount;
    this.stateCount = stateCount;
    this.#trie = trie.slice(0, stateCount * symbolCount);
    this.#ends = ends.slice(0, stateCount);
    this.#next = this.#trie.slice();
    this.#lengths = this.#ends.slice();
    this.#link();
  }

  /** Reports every place where a pattern ends, with the longest that does: `[end - length, end)`. */
  search(symbols: Uint8Array, length: number, report: (start: number, end: number) => void): void {
    const next = this.#next;
    const lengths = this.#lengths;
    const width = this.symbolCount;
    let state = 0;
    for (let i = 0; i < length; i++) {
      state = next[state * width + (symbols[i] as number)] as number;
      const found = lengths[state] as number;
      if (found > 0) report(i + 1 - found, i + 1);
    }
  }

  /**
   * Whether `symbols[start, end)` is a pattern but for `errors` letters too many, too few, wrong, or in each other's
   * place. Walks all of the trie that is no more than that away.
   */
  isNearPattern(symbols: Uint8Array, start: number, end: number, errors: number): boolean {
    return this.#isNear(0, symbols, start, end, errors);
  }

  #isNear(state: number, symbols: Uint8Array, at: number, end: number, errors: number): boolean {
    const width = this.symbolCount;
    const trie = this.#trie;
    if (at === end && (this.#ends[state] as number) > 0) return true;
    if (at < end) {
      const same = trie[state * width + (symbols[at] as number)] as number;
      if (same !== -1 && this.#isNear(same, symbols, at + 1, end, errors)) return true;
    }
    if (errors === 0) return false;
    const left = errors - 1;
    // One too many in the text.
    if (at < end && this.#isNear(state, symbols, at + 1, end, left)) return true;
    if (at + 1 < end) {
      const swapped = trie[state * width + (symbols[at + 1] as number)] as number;
      const both =
        swapped === -1 ? -1 : (trie[swapped * width + (symbols[at] as number)] as number);
      if (both !== -1 && this.#isNear(both, symbols, at + 2, end, left)) return true;
    }
    for (let symbol = 1; symbol < width; symbol++) {
      const other = trie[state * width + symbol] as number;
      if (other === -1) continue;
      // One too few in the text, or a wrong one.
      if (this.#isNear(other, symbols, at, end, left)) return true;
      if (at < end && this.#isNear(other, symbols, at + 1, end, left)) return true;
    }
    return false;
  }

  /** Turns the trie into an automaton: a missing edge goes where the longest proper suffix would go on. */
  #link(): void {
    const next = this.#next;
    const lengths = this.#lengths;
    const width = this.symbolCount;
    const fallback = new Int32Array(this.stateCount);
    const queue = new Int32Array(this.stateCount);
    let last = 0;
    for (let symbol = 0; symbol < width; symbol++) {
      const child = next[symbol] as number;
      if (child === -1) next[symbol] = 0;
      else queue[last++] = child;
    }
    // In breadth: a state's fallback is nearer to the root and has been linked before it.
    for (let first = 0; first < last; first++) {
      const state = queue[first] as number;
      const back = fallback[state] as number;
      if (lengths[state] === 0) lengths[state] = lengths[back] as number;
      for (let symbol = 0; symbol < width; symbol++) {
        const edge = state * width + symbol;
        const child = next[edge] as number;
        const onward = next[back * width + symbol] as number;
        if (child === -1) next[edge] = onward;
        else {
          fallback[child] = onward;
          queue[last++] = child;
        }
      }
    }
  }
}
