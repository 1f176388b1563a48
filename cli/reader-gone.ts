import { constants, fstatSync, openSync } from "node:fs";

import { ExitCode } from "./errors.ts";

/**
 * Ends the process, as done, once the reader of standard output (`| head -1`) has closed its end. A write would
 * find out too, but a command that waits for publications may not have anything to write for hours.
 *
 * Only for pipes, as a shell makes them: a file has no reader, and a terminal that goes sends a signal.
 */
export async function endWhenReaderGoes(): Promise<void> {
  const fd = openStdoutAgain();
  if (fd === null) return;
  // Bun has no call to ask a pipe. Its event loop tells of a hang-up, though, on whatever it is given as a
  // socket: it reads then, which is all the socket is for, and fails because a pipe is none.
  const options: Bun.FdSocketOptions = {
    fd,
    socket: { data: () => {}, error: () => {}, close: () => process.exit(ExitCode.done) },
  };
  // Bun's types have these options, but not that `connect` takes them.
  const connecting = Bun.connect(options as unknown as Bun.TCPSocketConnectOptions);
  const socket = await connecting.catch(() => null); // Then a write tells.
  socket?.unref();
}

/**
 * The pipe under a number of its own, because Bun waits for room in standard output under the other. Null when
 * it is no pipe, or cannot be opened again.
 */
function openStdoutAgain(): number | null {
  try {
    if (!fstatSync(1).isFIFO()) return null;
    return openSync("/dev/fd/1", constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return null; // Standard output is closed, or there is no /dev/fd: a write tells.
  }
}
