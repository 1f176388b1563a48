import { Connection } from "./connection.ts";
import type { Address } from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import type { Subscriber } from "./subscriber.ts";

/** The reference server: the channel is in the URL, and a message is the payload. */
export class BareDialect implements Dialect {
  readonly keepAlive = null;
  readonly #hostname: string;
  readonly #port: number;

  constructor(hostname: string, port: number) {
    this.#hostname = hostname;
    this.#port = port;
  }

  async subscribe(channel: string, subscriber: Subscriber): Promise<Connection> {
    const connection = await Connection.open(this.#address(channel, "subscriber"), {
      message: (bytes, start, end) => subscriber.accept(bytes, start, end, 0),
      readEnded: () => subscriber.readEnded(),
      failed: (error) => subscriber.failed(error),
    });
    // The server joins the topic when it has upgraded; a fence is answered after that.
    await connection.fence();
    return connection;
  }

  openPublisher(channel: string, onFailure: (error: Error) => void): Promise<Connection> {
    return Connection.open(this.#address(channel, "publisher"), {
      message: () => onFailure(new Error("the reference server answered a publisher")),
      readEnded: () => {},
      failed: onFailure,
    });
  }

  publicationFrame(_channel: string, payload: Uint8Array): Uint8Array {
    return payload;
  }

  #address(channel: string, role: string): Address {
    return {
      hostname: this.#hostname,
      port: this.#port,
      path: `/?topic=${encodeURIComponent(channel)}&role=${role}`,
      subprotocol: null,
    };
  }
}
