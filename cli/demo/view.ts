import { print } from "../output.ts";
import { createPaint, renderLine, renderScreen, renderSummary, renderTitle } from "./render.ts";
import type { DemoState } from "./render.ts";
import { Screen } from "./screen.ts";

const REDRAW_MS = 250;
const LINE_MS = 1000;

/** Shows the demo: redrawn in place on a terminal, anywhere else a line a second and a summary. */
export class View {
  readonly #state: () => DemoState;
  readonly #screen = process.stdout.isTTY ? new Screen() : null;
  readonly #paint = createPaint(process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "");
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(state: () => DemoState) {
    this.#state = state;
    if (this.#screen === null) void print(`${renderTitle(state())}\n`);
    const intervalMs = this.#screen === null ? LINE_MS : REDRAW_MS;
    this.#timer = setInterval(() => this.#draw(), intervalMs);
  }

  /** Shows the last figures, which stay. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#screen === null) {
      await print(`\n${renderSummary(this.#state(), this.#paint).join("\n")}\n`);
      return;
    }
    // Without the last line, which says how to end it.
    this.#screen.draw(renderScreen(this.#state(), this.#paint).slice(0, -1));
    this.#screen.end();
  }

  #draw(): void {
    if (this.#screen === null) void print(`${renderLine(this.#state())}\n`);
    else this.#screen.draw(renderScreen(this.#state(), this.#paint));
  }
}
