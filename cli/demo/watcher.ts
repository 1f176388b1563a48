import type { Publication, TickwireClient } from "../../client/index.ts";
import { openConnection } from "../connection.ts";
import type { Connection } from "../connection.ts";
import { LatencyRecorder, RateMeter } from "./latency.ts";
import type { SendLog } from "./send-log.ts";

export interface WatcherOptions {
  readonly name: string;
  /** Channel or pattern. */
  readonly listensTo: string;
  readonly url: string;
  readonly log: SendLog;
}

/** One subscriber of the demo, which checks what it gets: every offset of every channel once, and in order. */
export class Watcher implements AsyncDisposable {
  readonly name: string;
  readonly listensTo: string;
  readonly latency = new LatencyRecorder();
  readonly rate = new RateMeter();
  readonly #log: SendLog;
  readonly #connection: Connection;
  /** Offset of the last publication, by channel. */
  readonly #offsets = new Map<string, number>();
  received = 0;
  lost = 0;
  doubled = 0;
  reconnects = 0;
  recovered = 0;
  #isConnected = true;

  private constructor(options: WatcherOptions, connection: Connection) {
    this.name = options.name;
    this.listensTo = options.listensTo;
    this.#log = options.log;
    this.#connection = connection;
    const { client } = connection;
    client.on("reconnecting", () => {
      if (this.#isConnected) this.reconnects++;
      this.#isConnected = false;
    });
    client.on("connected", () => {
      this.#isConnected = true;
    });
  }

  static async start(options: WatcherOptions): Promise<Watcher> {
    const watcher = new Watcher(options, await openConnection(connectionTo(options.url)));
    await watcher.#subscribe(watcher.#connection.client);
    return watcher;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Publications that were sent and have not come yet. */
  get behind(): number {
    let sent = 0;
    for (const channel of this.#offsets.keys()) sent += this.#log.countOf(channel);
    return Math.max(0, sent - this.received);
  }

  /** Stops reading from the network, and reads again. */
  pause(): void {
    this.#connection.sockets.pause();
  }

  resume(): void {
    this.#connection.sockets.resume();
  }

  /** Breaks the connection; the client mends it by itself. */
  cut(): void {
    this.#connection.sockets.cut();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection.client.close();
  }

  async #subscribe(client: TickwireClient): Promise<void> {
    const subscription = client.subscribe(this.listensTo, { decode: "bytes" }, (publication) =>
      this.#take(publication),
    );
    subscription.on("subscribed", ({ count }) => {
      this.recovered += count;
    });
    await subscription.ready();
  }

  #take({ channel, offset }: Publication<Uint8Array>): void {
    const nowMs = performance.now();
    const expected = (this.#offsets.get(channel) ?? 0) + 1;
    if (offset < expected) {
      this.doubled++;
      return;
    }
    this.lost += offset - expected;
    this.#offsets.set(channel, offset);
    this.received++;
    this.rate.add(nowMs, 1);
    const sentMs = this.#log.timeOf(channel, offset);
    if (sentMs !== null) this.latency.record(nowMs - sentMs);
  }
}

/** The options of a command line that names this broker and nothing else. */
export function connectionTo(url: string): Parameters<typeof openConnection>[0] {
  return { url, token: "", wait: undefined };
}
