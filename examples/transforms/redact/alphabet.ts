/** Text as the automaton sees it: folded characters, and where in the text each of them was. */
export interface FoldedText {
  /** Index of a letter in the alphabet, 0 for what no pattern has. */
  readonly symbols: Uint8Array;
  /** Of each symbol: where its character begins in the text, in UTF-16 units; one more entry than symbols. */
  readonly starts: Uint32Array;
  readonly length: number;
}

/** What digits and signs are used for when a word is to slip through. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "i",
  "3": "e",
  "4": "a",
  "5": "s",
  "7": "t",
  "@": "a",
  $: "s",
};

const OTHER = 0;
const MAX_SYMBOLS = 255;
const LATIN_CHARS = 256;
const marks = /\p{M}+/gu;

/** Lower case, without accents, lookalikes as the letter they stand for: one character for one character. */
export function foldChar(char: string): string {
  if (/\s/u.test(char)) return " ";
  const plain = char.normalize("NFKD").replace(marks, "").toLowerCase();
  const [first = ""] = plain;
  return LOOKALIKES[first] ?? first;
}

/** The characters that patterns are made of. */
export class Alphabet {
  readonly #symbols = new Map<string, number>();
  /** Symbols of the first 256 characters; they are nearly all of most texts. */
  readonly #latin = new Uint8Array(LATIN_CHARS);
  readonly #space: number;

  /** @throws RangeError for patterns of more than 255 different characters */
  constructor(patterns: Iterable<string>) {
    for (const pattern of patterns) {
      for (const char of pattern) this.#add(foldChar(char));
    }
    this.#add(" ");
    this.#space = this.#symbols.get(" ") as number;
    for (let code = 0; code < LATIN_CHARS; code++) {
      this.#latin[code] = this.#symbols.get(foldChar(String.fromCharCode(code))) ?? OTHER;
    }
  }

  /** Symbols, with the one for everything else. */
  get size(): number {
    return this.#symbols.size + 1;
  }

  symbolsOf(pattern: string): number[] {
    return Array.from(pattern, (char) => this.#symbols.get(foldChar(char)) ?? OTHER);
  }

  isLetter(symbol: number): boolean {
    return symbol !== OTHER && symbol !== this.#space;
  }

  fold(text: string): FoldedText {
    const symbols = new Uint8Array(text.length);
    const starts = new Uint32Array(text.length + 1);
    let length = 0;
    for (let at = 0; at < text.length;) {
      const code = text.charCodeAt(at);
      if (code < LATIN_CHARS) {
        const symbol = this.#latin[code] as number;
        // However far apart two words are, they are one space apart.
        const isMoreSpace = symbol === this.#space && length > 0 && symbols[length - 1] === symbol;
        if (!isMoreSpace) {
          starts[length] = at;
          symbols[length++] = symbol;
        }
        at++;
        continue;
      }
      const char = String.fromCodePoint(text.codePointAt(at) as number);
      const folded = foldChar(char);
      // A combining mark belongs to the character before it.
      if (folded !== "") {
        starts[length] = at;
        symbols[length++] = this.#symbols.get(folded) ?? OTHER;
      }
      at += char.length;
    }
    starts[length] = text.length;
    return { symbols, starts, length };
  }

  #add(char: string): void {
    if (char === "" || this.#symbols.has(char)) return;
    if (this.#symbols.size === MAX_SYMBOLS) {
      throw new RangeError(`the patterns have more than ${MAX_SYMBOLS} different characters`);
    }
    this.#symbols.set(char, this.#symbols.size + 1);
  }
}
