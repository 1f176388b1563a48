import type { Interrupt } from "../interrupt.ts";
import { readLines } from "../lines/line-source.ts";
import type { Pace } from "../lines/pace.ts";
import type { LinePublisher } from "./line-publisher.ts";

/** Longest sleep before a signal is looked at again, ms. */
const MAX_SLEEP_MS = 100;

export interface Input {
  readonly stream: ReadableStream<Uint8Array>;
  /** As messages call it. */
  readonly name: string;
}

/** Publishes the lines of an input when they are due, until it ends, one fails or the command is interrupted. */
export async function playLines(
  input: Input,
  publisher: LinePublisher,
  pace: Pace,
  interrupt: Interrupt,
): Promise<void> {
  const startMs = performance.now();
  let number = 0;
  for await (const lines of readLines(input.stream, input.name, interrupt)) {
    for (const line of lines) {
      const dueMs = startMs + pace.dueMs(line);
      while (performance.now() < dueMs && !interrupt.isRequested) {
        await Bun.sleep(Math.min(MAX_SLEEP_MS, Math.max(1, dueMs - performance.now())));
      }
      if (!publisher.hasRoom) await publisher.room();
      if (publisher.failure !== null || interrupt.isRequested) return;
      publisher.publish(line, ++number);
    }
    if (publisher.failure !== null || interrupt.isRequested) return;
  }
}
