import { createServer, Socket } from "node:net";
import type { AddressInfo, Server } from "node:net";

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}

/**
 * A TCP proxy on a free port of 127.0.0.1 that can do to connections what a network does: cut them with a
 * reset, or carry nothing for a while. What one side closes, it closes on the other.
 */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<Pair>();
  #isPaused = false;
  #isRefusing = false;
  #forwardedBytes = 0;
  #acceptedCount = 0;
  #waiters: (() => void)[] = [];

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Listens and forwards to this port of 127.0.0.1. */
  static async start(port: number, host = "127.0.0.1"): Promise<TcpProxy> {
    const proxy = new TcpProxy({ host, port });
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Open connections. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Connections accepted since the start. */
  get acceptedCount(): number {
    return this.#acceptedCount;
  }

  /** Bytes carried in both directions since the start. */
  get forwardedBytes(): number {
    return this.#forwardedBytes;
  }

  /** Cuts every connection with a reset on both sides; what was under way is lost. Returns how many. */
  resetAll(): number {
    const pairs = [...this.#pairs];
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
    return pairs.length;
  }

  /** Carries nothing until `resume`, in either direction; connections stay open and new ones are accepted. */
  pause(): void {
    this.#isPaused = true;
    for (const { client, upstream } of this.#pairs) {
      client.pause();
      upstream.pause();
    }
  }

  resume(): void {
    this.#isPaused = false;
    for (const { client, upstream } of this.#pairs) {
      client.resume();
      upstream.resume();
    }
  }

  /** From now on resets new connections at once (true), or accepts them again (false). */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
  }

  /** Resolves when the condition holds; it is asked whenever a connection comes, goes or carries bytes. */
  async until(condition: (proxy: TcpProxy) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #accept(client: Socket): void {
    this.#acceptedCount++;
    if (this.#isRefusing) {
      client.on("error", () => {});
      client.resetAndDestroy();
      this.#wake();
      return;
    }
    const upstream = new Socket({ allowHalfOpen: true });
    const pair = { client, upstream };
    this.#pairs.add(pair);
    this.#forward(client, upstream, pair);
    this.#forward(upstream, client, pair);
    upstream.connect(this.#target);
    if (this.#isPaused) {
      client.pause();
      upstream.pause();
    }
    this.#wake();
  }

  #forward(from: Socket, to: Socket, pair: Pair): void {
    from.setNoDelay(true);
    from.on("data", (bytes) => {
      this.#forwardedBytes += bytes.length;
      if (!to.destroyed && !to.write(bytes)) from.pause();
      this.#wake();
    });
    from.on("drain", () => {
      if (!this.#isPaused) to.resume();
    });
    from.on("end", () => to.end());
    // Its close event follows, and cuts the other side.
    from.on("error", () => {});
    from.on("close", (hadError) => {
      if (hadError) to.resetAndDestroy();
      else to.end();
      if (pair.client.destroyed && pair.upstream.destroyed) this.#pairs.delete(pair);
      this.#wake();
    });
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resetAll();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
