/**
 * Sends bytes as they are and resolves to what comes back until the connection ends or the answer, whose
 * length its header says, is complete. For requests that `fetch` would not send.
 */
export function rawHttp(port: number, request: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const connecting = Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => {
        socket.write(request);
      },
      data: (socket, bytes) => {
        answer += bytes.toString("latin1");
        if (isComplete(answer)) socket.end();
      },
      close: () => resolve(answer),
      connectError: (_socket, error) => reject(error),
    },
  });
  connecting.catch(reject);
  return promise;
}

function isComplete(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  const length = /\r\ncontent-length: (\d+)/i.exec(answer)?.[1];
  return end >= 0 && length !== undefined && answer.length >= end + 4 + Number(length);
}
