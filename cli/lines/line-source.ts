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
  let count = 0;
  const linesOf = function* (chunk: Uint8Array): Generator<Uint8Array> {
    try {
      for (const line of splitter.push(chunk)) {
        count++;
        yield line;
      }
    } catch (error) {
      if (!(error instanceof LineTooLong)) throw error;
      throw new CliError(`line ${count + 1} of ${name} is ${error.message}`, { cause: error });
    }
  };
  for (;;) {
    const chunk = await readChunk(reader, name);
    if (chunk === null) break;
    yield linesOf(chunk);
  }
  const last = interrupt.isRequested ? null : splitter.end();
  if (last !== null) yield [last];
}

/** The next chunk; null at the end. */
async function readChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  name: string,
): Promise<Uint8Array | null> {
  try {
    const { done, value } = await reader.read();
    return done ? null : value;
  } catch (error) {
    throw new CliError(`cannot read ${name}: ${(error as Error).message}`, { cause: error });
  }
}
