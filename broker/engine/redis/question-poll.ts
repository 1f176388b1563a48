import type { NodeAnswer } from "../../cluster/questions.ts";

/** One question that waits for what others answer. Over when all have answered, or its time is. */
export class Poll {
  readonly over: Promise<void>;
  /** Nothing is waited for any more, also not for who there is. */
  readonly abandoned: Promise<void>;
  readonly #over = Promise.withResolvers<void>();
  readonly #abandoned = Promise.withResolvers<void>();
  readonly #timer: ReturnType<typeof setTimeout>;
  /** By run; null for those whom it was not for. */
  readonly #heard = new Map<string, NodeAnswer | null>();
  /** Known once Redis has said how many nodes it told. */
  #told: number | null = null;
  #wanted: readonly string[] | null = null;
  isOver = false;

  constructor(timeoutMs: number) {
    this.over = this.#over.promise;
    this.abandoned = this.#abandoned.promise;
    this.#timer = setTimeout(() => this.abandon(), timeoutMs);
  }

  get isTold(): boolean {
    return this.#told !== null;
  }

  /** Nodes that were told and have said nothing. */
  get missing(): number {
    return Math.max(0, (this.#told ?? 0) - this.#heard.size);
  }

  /** So many nodes were told. */
  expect(count: number): void {
    this.#told = count;
    this.#look();
  }

  /** It is for these runs alone: nobody else need be waited for. */
  want(runs: readonly string[]): void {
    this.#wanted = runs;
    this.#look();
  }

  /** @param answer null from one whom it was not for */
  take(run: string, answer: NodeAnswer | null): void {
    if (this.isOver) return;
    this.#heard.set(run, answer);
    this.#look();
  }

  hasHeard(run: string): boolean {
    return this.#heard.has(run);
  }

  answers(): NodeAnswer[] {
    return [...this.#heard.values()].filter((answer) => answer !== null);
  }

  #look(): void {
    if (this.#told === null) return;
    const isAll = this.#heard.size >= this.#told;
    const isEnough = this.#wanted?.every((run) => this.#heard.has(run)) === true;
    if (isAll || isEnough) this.end();
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#over.resolve();
  }

  abandon(): void {
    clearTimeout(this.#timer);
    this.#abandoned.resolve();
    this.end();
  }
}
