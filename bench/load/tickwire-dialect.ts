import { encodeBinary } from "../../protocol/binary-codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import { encodePing } from "../../protocol/messages/ping.ts";
import { publishSize, writePublish } from "../../protocol/messages/publish.ts";
import { decodeSubscribedResult, encodeSubscribe } from "../../protocol/messages/subscribe.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL_MSGPACK } from "../../protocol/version.ts";
import { Connection } from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import type { Access } from "./job.ts";
import type { Subscriber } from "./subscriber.ts";
import { TickwireReader } from "./tickwire-reader.ts";
import { benchToken } from "./token.ts";

/** A Tickwire broker, spoken to in the binary format. */
export class TickwireDialect implements Dialect {
  readonly keepAlive = encodeBinary(encodePing({ id: 1, clientTimeMs: 0 }));
  readonly #hostname: string;
  readonly #port: number;
  readonly #access: Access;
  #connections = 0;

  constructor(hostname: string, port: number, access: Access) {
    this.#hostname = hostname;
    this.#port = port;
    this.#access = access;
  }

  async subscribe(channel: string, subscriber: Subscriber): Promise<Connection> {
    const reader = new TickwireReader({
      deliver: (bytes, start, end, offset) => subscriber.accept(bytes, start, end, offset),
      readEnded: () => subscriber.readEnded(),
      failed: (error) => subscriber.failed(error),
    });
    const connection = await this.#connect(reader);
    const command = encodeSubscribe({ id: 2, channel, recover: { type: "none" }, flags: 0 });
    const reply = await request(connection, reader, command);
    subscriber.startOffsets(decodeSubscribedResult(reply).offset);
    return connection;
  }

  openPublisher(_channel: string, onFailure: (error: Error) => void): Promise<Connection> {
    const reader = new TickwireReader({
      deliver: () => onFailure(new Error("the broker delivered to a publisher")),
      readEnded: () => {},
      failed: onFailure,
    });
    return this.#connect(reader);
  }

  publicationFrame(channel: string, payload: Uint8Array): Uint8Array {
    // Request id 0: the broker answers nothing, as the reference does [P-3.6].
    const frame = new Uint8Array(publishSize(0, channel, payload.length));
    writePublish(frame, 0, 0, channel, payload);
    return frame;
  }

  async #connect(reader: TickwireReader): Promise<Connection> {
    const connection = await Connection.open(
      { hostname: this.#hostname, port: this.#port, path: "/", subprotocol: SUBPROTOCOL_MSGPACK },
      reader,
    );
    const command = encodeConnect({
      id: 1,
      version: PROTOCOL_VERSION,
      token: this.#token(),
      client: "tickwire-bench",
    });
    await request(connection, reader, command);
    return connection;
  }

  /** Each connection is a user of its own: a broker limits how many connections one may have. */
  #token(): string | null {
    const access = this.#access;
    switch (access.type) {
      case "anonymous":
        return null;
      case "token":
        return access.token;
      case "secret":
        return benchToken(`bench-${this.#connections++}`, access.secret);
    }
  }
}

function request(connection: Connection, reader: TickwireReader, command: Frame): Promise<unknown> {
  const reply = reader.nextReply();
  connection.send(encodeBinary(command));
  return reply;
}
