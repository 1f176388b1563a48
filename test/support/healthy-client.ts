import { expect } from "bun:test";

import { ProtocolClient } from "./protocol-client.ts";

const CHANNEL = "healthy.check";

/** A client that minds its own business while others attack the broker. */
export class HealthyClient implements AsyncDisposable {
  readonly #client: ProtocolClient;
  #count = 0;

  private constructor(client: ProtocolClient) {
    this.#client = client;
  }

  static async start(url: string): Promise<HealthyClient> {
    const client = await ProtocolClient.connect(url);
    await client.subscribe(CHANNEL);
    return new HealthyClient(client);
  }

  /** Publishes, and waits until it has come back. */
  async expectAlive(): Promise<void> {
    const expected = ++this.#count;
    const { offset } = await this.#client.publish(CHANNEL, `still here ${expected}`);
    expect(offset).toBe(expected);
    const { publications } = this.#client;
    await this.#client.until(() => (publications.at(-1)?.offset ?? 0) >= offset);
  }

  /** One question and its answer; in between the broker gets on with what it has to do. */
  async roundTrip(): Promise<void> {
    await this.#client.ping();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}
