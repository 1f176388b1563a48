import { createServer } from "node:net";
import type { Server } from "node:net";

const HOST = "127.0.0.1";
/**
 * Below the ports that systems hand out for outgoing connections. A client that reconnects to a port of
 * that range while its server is down can be given the same port as its own and end up connected to itself,
 * and the server could then not come back.
 */
const FIRST_PORT = 10_000;
const PORTS_PER_BLOCK = 32;
const BLOCK_COUNT = 680;
const MAX_TRIES = 200;

/**
 * Ports of 127.0.0.1 that no other test process takes, also while the server behind one is down. The block
 * belongs to whoever listens on its first port, so it is free again when that process ends. Programs that
 * know nothing of blocks may still hold a port: a server that cannot bind takes the next.
 */
export class PortBlock implements AsyncDisposable {
  readonly #lock: Server;
  readonly #first: number;
  #takenCount = 1;

  private constructor(lock: Server, first: number) {
    this.#lock = lock;
    this.#first = first;
  }

  static async reserve(): Promise<PortBlock> {
    for (let round = 0; round < MAX_TRIES; round++) {
      const block = Math.floor(Math.random() * BLOCK_COUNT);
      const first = FIRST_PORT + block * PORTS_PER_BLOCK;
      const lock = await listenOn(first);
      if (lock !== undefined) return new PortBlock(lock, first);
    }
    throw new Error(`no block of ports was free in ${MAX_TRIES} tries`);
  }

  /** A port that this block has not given before. */
  take(): number {
    if (this.#takenCount === PORTS_PER_BLOCK) throw new Error("all ports of the block are taken");
    return this.#first + this.#takenCount++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#lock.close(() => resolve());
    });
  }
}

/** Undefined when the port is in use. */
function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen({ host: HOST, port, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}
