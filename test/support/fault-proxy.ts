import { createServer, Socket } from "node:net";
import type { AddressInfo, Server } from "node:net";

import { FaultFlow } from "./fault-flow.ts";
import { DISCARD, HOLD, PASS } from "./fault.ts";
import type { Fault } from "./fault.ts";

export type Direction = "toServer" | "toClient";

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly flows: readonly [FaultFlow, FaultFlow];
}

/**
 * A TCP proxy on a free port of 127.0.0.1 that can do to connections what a network, or a server in trouble,
 * does. Each direction has its fault, which can be changed at any time and holds for open and new connections
 * alike. Connections are always accepted, also while nothing is carried.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<Pair>();
  readonly #faults: Record<Direction, Fault> = { toServer: PASS, toClient: PASS };
  readonly #carriedBytes: Record<Direction, number> = { toServer: 0, toClient: 0 };
  readonly #discardedBytes: Record<Direction, number> = { toServer: 0, toClient: 0 };
  #port = 0;
  #isRefusing = false;
  #acceptedCount = 0;
  #waiters: (() => void)[] = [];

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Listens, and forwards to this port of 127.0.0.1 or another host. */
  static async start(port: number, host = "127.0.0.1"): Promise<FaultProxy> {
    const proxy = new FaultProxy({ host, port });
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    proxy.#port = (proxy.#server.address() as AddressInfo).port;
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Open connections. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Connections accepted since the start. */
  get acceptedCount(): number {
    return this.#acceptedCount;
  }

  /** Bytes carried in each direction since the start. */
  get carriedBytes(): Readonly<Record<Direction, number>> {
    return this.#carriedBytes;
  }

  /** Bytes that were lost in each direction since the start. */
  get discardedBytes(): Readonly<Record<Direction, number>> {
    return this.#discardedBytes;
  }

  /** Bytes that the proxy itself keeps back now, in both directions; a bounded part of what is under way. */
  get heldBytes(): number {
    let byteCount = 0;
    for (const { flows } of this.#pairs) {
      for (const flow of flows) byteCount += flow.queuedBytes;
    }
    return byteCount;
  }

  /** Bytes carried in both directions since the start. */
  get forwardedBytes(): number {
    return this.#carriedBytes.toServer + this.#carriedBytes.toClient;
  }

  /** Sets the fault of one direction or both; the other one keeps its own. */
  set(faults: Partial<Readonly<Record<Direction, Fault>>>): void {
    Object.assign(this.#faults, faults);
    for (const { flows } of this.#pairs) {
      for (const flow of flows) flow.onFaultChanged();
    }
  }

  /** Ends every fault. What was held back is carried now. */
  heal(): void {
    this.#isRefusing = false;
    this.set({ toServer: PASS, toClient: PASS });
  }

  /** Carries nothing, in either direction, and tells nobody. */
  blackHole(): void {
    this.set({ toServer: HOLD, toClient: HOLD });
  }

  /** One direction is dead, the other one works. */
  halfOpen(dead: Direction): void {
    this.set({ toServer: PASS, toClient: PASS, [dead]: HOLD });
  }

  /** Requests go through, and their answers are lost. */
  dropReplies(): void {
    this.set({ toServer: PASS, toClient: DISCARD });
  }

  /** Both directions take this long, so a round trip takes twice as much more. */
  delay(delayMs: number): void {
    this.set({ toServer: { kind: "delay", delayMs }, toClient: { kind: "delay", delayMs } });
  }

  /** Each direction of each connection carries this much. */
  trickle(bytesPerSecond: number): void {
    const fault: Fault = { kind: "trickle", bytesPerSecond };
    this.set({ toServer: fault, toClient: fault });
  }

  /** Ends each connection in the middle of what it carries; the count begins now. */
  cutAfter(afterBytes: number, direction: Direction): void {
    this.set({ [direction]: { kind: "cut", afterBytes } });
  }

  /** Resets every connection, and new ones as soon as they are accepted, until `heal`. */
  reset(): void {
    this.#isRefusing = true;
    this.resetAll();
  }

  /** Cuts every connection with a reset on both sides; what was under way is lost. Returns how many. */
  resetAll(): number {
    const pairs = [...this.#pairs];
    for (const pair of pairs) resetPair(pair);
    return pairs.length;
  }

  /** The same as `blackHole`. */
  pause(): void {
    this.blackHole();
  }

  /** The same as `heal`, but does not accept connections again after `refuse`. */
  resume(): void {
    this.set({ toServer: PASS, toClient: PASS });
  }

  /** From now on resets new connections at once (true), or accepts them again (false). */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
  }

  /** Resolves when the condition holds; it is asked whenever a connection comes, goes, or moves bytes. */
  async until(condition: (proxy: FaultProxy) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.resetAll();
    await closed;
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
    const pair: Pair = {
      client,
      upstream,
      flows: [
        this.#flow(client, upstream, "toServer", () => resetPair(pair)),
        this.#flow(upstream, client, "toClient", () => resetPair(pair)),
      ],
    };
    this.#pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.on("close", () => {
        if (client.destroyed && upstream.destroyed) this.#pairs.delete(pair);
        this.#wake();
      });
    }
    upstream.connect(this.#target);
    this.#wake();
  }

  #flow(from: Socket, to: Socket, direction: Direction, reset: () => void): FaultFlow {
    const count = (counter: Record<Direction, number>) => (byteCount: number) => {
      counter[direction] += byteCount;
      this.#wake();
    };
    return new FaultFlow({
      from,
      to,
      fault: () => this.#faults[direction],
      onCarried: count(this.#carriedBytes),
      onDiscarded: count(this.#discardedBytes),
      onHeld: () => this.#wake(),
      resetPair: reset,
    });
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}

function resetPair({ client, upstream, flows }: Pair): void {
  for (const flow of flows) flow.stop();
  client.resetAndDestroy();
  upstream.resetAndDestroy();
}
