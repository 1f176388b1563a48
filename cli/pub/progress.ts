const REDRAW_MS = 200;
const CLEAR_LINE = "\u001b[2K\r";

/** One line on standard error that is redrawn while a command works; nothing unless a person looks at it. */
export class Progress {
  readonly #text: () => string;
  readonly #timer: ReturnType<typeof setInterval> | null;
  #isShown = false;

  constructor(isWanted: boolean, text: () => string) {
    this.#text = text;
    const isShown = isWanted && process.stderr.isTTY;
    this.#timer = isShown ? setInterval(() => this.#draw(), REDRAW_MS) : null;
  }

  #draw(): void {
    this.#isShown = true;
    process.stderr.write(CLEAR_LINE + this.#text());
  }

  /** Takes the line away. */
  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#isShown) process.stderr.write(CLEAR_LINE);
    this.#isShown = false;
  }
}
