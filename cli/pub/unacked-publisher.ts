import type { TickwireClient } from "../../client/index.ts";
import { TickwireError } from "../../client/index.ts";
import type { LinePublisher, PublishFailure } from "./line-publisher.ts";

/** Fire and forget: nobody waits for answers, and what is under way when a connection ends is lost. */
export class UnackedPublisher implements LinePublisher {
  readonly #client: TickwireClient;
  readonly #channel: string;
  /** What the client had no room for. */
  #waiting: Uint8Array | null = null;
  count = 0;
  bytes = 0;
  failure: PublishFailure | null = null;

  constructor(client: TickwireClient, channel: string) {
    this.#client = client;
    this.#channel = channel;
    // What the broker refuses comes without a request id, so that it is not known which line it was.
    client.on("error", (error) => this.#fail(null, error));
  }

  get hasRoom(): boolean {
    return this.#waiting === null;
  }

  async room(): Promise<void> {
    while (this.#waiting !== null && this.failure === null) {
      await this.#client.ready();
      await this.#client.drained();
      const payload = this.#waiting;
      this.#waiting = null;
      this.#send(payload);
    }
  }

  publish(payload: Uint8Array, number: number): void {
    try {
      this.#send(payload);
    } catch (error) {
      if (!(error instanceof TickwireError)) throw error;
      this.#fail(number, error);
    }
  }

  async finished(): Promise<void> {
    await this.room();
    await this.#client.drained();
    // Answers come in order: the pong comes after every refusal.
    await this.#client.ping();
  }

  #send(payload: Uint8Array): void {
    if (this.#client.send(this.#channel, payload)) {
      this.count++;
      this.bytes += payload.length;
    } else this.#waiting = payload;
  }

  #fail(number: number | null, error: TickwireError): void {
    this.failure ??= { number, error };
  }
}
