/** Without a cursor, and with lines cut off instead of wrapped: a wrapped line would be two. */
const BEGIN = "\u001b[?25l\u001b[?7l";
const END = "\u001b[?7h\u001b[?25h";
const CLEAR_TO_LINE_END = "\u001b[K";
const CLEAR_TO_SCREEN_END = "\u001b[J";

/** Lines that are redrawn in place on a terminal; the last ones stay when it ends. */
export class Screen {
  #drawnLines = 0;
  /** What is on the screen has moved, for example because the window was resized: draw on a clean one. */
  #isStale = false;
  readonly #onResize = (): void => {
    this.#isStale = true;
  };

  constructor() {
    process.stdout.on("resize", this.#onResize);
    process.stdout.write(BEGIN);
    process.on("exit", restore);
  }

  /** Draws these lines in the place of the last ones; those beyond the height of the window are left out. */
  draw(lines: readonly string[]): void {
    const rows = (process.stdout.rows || 24) - 1;
    const shown = lines.slice(0, rows);
    let start = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A\r` : "";
    if (this.#isStale) start = "\u001b[H\u001b[2J";
    this.#isStale = false;
    const text = shown.map((line) => `${line}${CLEAR_TO_LINE_END}\n`).join("");
    process.stdout.write(start + text + CLEAR_TO_SCREEN_END);
    this.#drawnLines = shown.length;
  }

  end(): void {
    process.stdout.off("resize", this.#onResize);
    process.off("exit", restore);
    restore();
  }
}

/** However the process ends, the terminal is as it was. */
function restore(): void {
  process.stdout.write(END);
}
