import { Alphabet } from "./alphabet.ts";
import type { FoldedText } from "./alphabet.ts";
import { Automaton } from "./automaton.ts";
import { findPersonalData } from "./personal-data.ts";
import type { Span } from "./personal-data.ts";

export interface RedactorOptions {
  /** Words nobody wants to read. */
  readonly words: readonly string[];
  /** People: every given name with every family name, either first. */
  readonly givenNames: readonly string[];
  readonly familyNames: readonly string[];
  /** Whether a typing error is forgiven in a word, and two in a full name. */
  readonly forgivesTypos: boolean;
  /** Stands for each character that is taken out. */
  readonly mask: string;
}

/** Shorter ones have too many neighbours that mean something else. */
const MIN_ONE_TYPO_SYMBOLS = 6;
const MIN_TWO_TYPOS_SYMBOLS = 12;
const MAX_TYPOS = 2;

/** Finds what must not be published in a text, and takes it out. Built once; holds nothing of the texts. */
export class Redactor {
  readonly patternCount: number;
  readonly #alphabet: Alphabet;
  readonly #automaton: Automaton;
  readonly #forgivesTypos: boolean;
  readonly #mask: string;
  /** Longest pattern with letters too many, in symbols. */
  readonly #maxSymbols: number;

  constructor(options: RedactorOptions) {
    const patterns = [...options.words, ...fullNames(options)].filter((pattern) => pattern !== "");
    this.patternCount = patterns.length;
    this.#alphabet = new Alphabet(patterns);
    const symbols = patterns.map((pattern) => this.#alphabet.symbolsOf(pattern));
    this.#automaton = new Automaton(symbols, this.#alphabet.size);
    this.#maxSymbols = MAX_TYPOS + symbols.reduce((max, { length }) => Math.max(max, length), 0);
    this.#forgivesTypos = options.forgivesTypos;
    this.#mask = options.mask;
  }

  get stateCount(): number {
    return this.#automaton.stateCount;
  }

  /** The text without what was found, which is also told; the same text when there was nothing. */
  redact(text: string): { readonly text: string; readonly spans: readonly Span[] } {
    const spans = merged([...this.#findPatterns(text), ...findPersonalData(text)]);
    let out = "";
    let at = 0;
    for (const { start, end } of spans) {
      out += text.slice(at, start) + this.#mask.repeat(end - start);
      at = end;
    }
    return { text: out + text.slice(at), spans };
  }

  #findPatterns(text: string): Span[] {
    const folded = this.#alphabet.fold(text);
    const spans: Span[] = [];
    const { symbols, length } = folded;
    this.#automaton.search(symbols, length, (start, end) => {
      if (this.#isWhole(folded, start, end)) spans.push(this.#span(folded, start, end));
    });
    if (this.#forgivesTypos) this.#findNear(folded, spans);
    return spans;
  }

  /** Every word, and every two words in a row, that is a pattern but for typing errors. */
  #findNear(folded: FoldedText, spans: Span[]): void {
    const words = this.#words(folded);
    for (let i = 0; i < words.length; i++) {
      const { start, end } = words[i] as Range;
      for (const until of new Set([end, words[i + 1]?.end ?? end])) {
        const size = until - start;
        if (size < MIN_ONE_TYPO_SYMBOLS || size > this.#maxSymbols) continue;
        const typos = size < MIN_TWO_TYPOS_SYMBOLS ? 1 : MAX_TYPOS;
        if (this.#automaton.isNearPattern(folded.symbols, start, until, typos)) {
          spans.push(this.#span(folded, start, until));
        }
      }
    }
  }

  #words({ symbols, length }: FoldedText): Range[] {
    const words: Range[] = [];
    let start = -1;
    for (let i = 0; i <= length; i++) {
      const isLetter = i < length && this.#alphabet.isLetter(symbols[i] as number);
      if (isLetter && start === -1) start = i;
      if (isLetter || start === -1) continue;
      words.push({ start, end: i });
      start = -1;
    }
    return words;
  }

  /** Whether it is no part of a longer word. */
  #isWhole({ symbols, length }: FoldedText, start: number, end: number): boolean {
    const isLetterAt = (i: number) =>
      i >= 0 && i < length && this.#alphabet.isLetter(symbols[i] as number);
    return !isLetterAt(start - 1) && !isLetterAt(end);
  }

  #span({ symbols, starts }: FoldedText, start: number, end: number): Span {
    const isName = symbols.subarray(start, end).some((symbol) => !this.#alphabet.isLetter(symbol));
    return {
      start: starts[start] as number,
      // Where the next one begins: marks and accents in between belong to the last one.
      end: starts[end] as number,
      kind: isName ? "name" : "word",
    };
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function* fullNames({ givenNames, familyNames }: RedactorOptions): Generator<string> {
  for (const given of givenNames) {
    for (const family of familyNames) {
      yield `${given} ${family}`;
      yield `${family} ${given}`;
    }
  }
}

/** In the order of the text, those that touch as one. */
function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = result.at(-1);
    if (last === undefined || span.start >= last.end) result.push(span);
    else if (span.end > last.end) result[result.length - 1] = { ...last, end: span.end };
  }
  return result;
}
