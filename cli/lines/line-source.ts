import { CliError } from "../errors.ts";
import type { Interrupt } from "../interrupt.ts";
import { LineSplitter, LineTooLong } from "./line-splitter.ts";

/** No broker takes larger messages, so that a longer line is a mistake (a file without line ends, say). */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * Reads lines until the stream ends or the command is interrupted. Each yield is the lines of one chunk, to be
 * used before the next is asked for.
 * @throws CliError when it cannot be read
 */
export async function* readLines(
  stream: ReadableStream<Uint8Array>,
  name: string,
  interrupt: Interrupt,
): AsyncGenerator<Iterable<Uint8Array>> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  const reader = stream.getReader();
  // Ends a read that waits for input.
  void interrupt.requested.then(() => reader.cancel());
  let lines = 0;
  const counted = function* (chunk: Uint8Array): Generator<Uint8Array> {
    for (const line of splitter.push(chunk)) {
      lines++;
      yield line;
    }
  };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield counted(value);
    }
  } catch (error) {
    if (error instanceof LineTooLong) {
      throw new CliError(`line ${lines + 1} of ${name} is ${error.message}`, { cause: error });
    }
    throw new CliError(`cannot read ${name}: ${(error as Error).message}`, { cause: error });
  }
  const last = interrupt.isRequested ? null : splitter.end();
  if (last !== null) yield [last];
}
