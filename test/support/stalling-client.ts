import { BinaryCodec } from "../../protocol/binary-codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import type { PublicationPush } from "../../protocol/messages/publication.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from "../../protocol/version.ts";
import { RawWebSocket } from "./raw-websocket.ts";
import type { RawClose } from "./raw-websocket.ts";
import { wsFrame, WsOpcode } from "./websocket-frames.ts";

const binary = new BinaryCodec(MAX_PUSH_DEPTH);
const json = new JsonCodec(MAX_PUSH_DEPTH);

type Format = "msgpack" | "json";

/** A client that can stop reading while it goes on sending; the system's buffers for it then fill up. */
export class StallingClient implements AsyncDisposable {
  readonly socket: RawWebSocket;
  readonly #format: Format;
  #decodedCount = 0;
  readonly frames: ServerFrame[] = [];
  readonly publications: PublicationPush[] = [];

  private constructor(socket: RawWebSocket, format: Format) {
    this.socket = socket;
    this.#format = format;
  }

  /** Connects; token-less. */
  static async connect(url: string, format: Format = "msgpack"): Promise<StallingClient> {
    const subprotocol = format === "json" ? SUBPROTOCOL_JSON : SUBPROTOCOL_MSGPACK;
    const socket = await RawWebSocket.connect(url, { subprotocols: [subprotocol] });
    const client = new StallingClient(socket, format);
    client.send(encodeConnect({ id: 1, version: PROTOCOL_VERSION, token: null, client: null }));
    await client.until(() => client.frames.length === 1);
    return client;
  }

  send(...frames: readonly Frame[]): void {
    if (this.#format === "json") {
      const text = json.join(frames.map((frame) => json.encode(frame)));
      this.socket.write(wsFrame(WsOpcode.text, text));
    } else {
      const bytes = binary.join(frames.map((frame) => binary.encode(frame)));
      this.socket.write(wsFrame(WsOpcode.binary, bytes));
    }
  }

  /** Resolves once the condition holds on what was received; rejects at the end without it. */
  until(isDone: () => boolean): Promise<void> {
    return this.socket.until(() => {
      this.#decode();
      return isDone();
    });
  }

  /** Resolves at the end of the stream, with everything received decoded. */
  async untilClosed(): Promise<RawClose> {
    const close = await this.socket.closed;
    this.#decode();
    return close;
  }

  #decode(): void {
    const { frames: messages } = this.socket;
    while (this.#decodedCount < messages.length) {
      const message = messages[this.#decodedCount++];
      if (message?.opcode === WsOpcode.binary)
        binary.decode(message.payload, (raw) => this.#take(raw));
      else if (message?.opcode === WsOpcode.text) {
        json.decode(Buffer.from(message.payload).toString(), (raw) => this.#take(raw));
      }
    }
  }

  #take(raw: readonly unknown[]): void {
    const frame = decodeServerFrame(raw);
    if (frame === null) throw new Error(`the broker sent an unknown op ${String(raw[0])}`);
    this.frames.push(frame);
    if (frame.type === "publication") this.publications.push(frame);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket[Symbol.asyncDispose]();
  }
}
