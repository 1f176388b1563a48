import { expect } from "bun:test";

import type { ConfigInput } from "../../broker/config/config.ts";
import { BinaryCodec } from "../../protocol/binary-codec.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import { encodePublish } from "../../protocol/messages/publish.ts";
import { encodeSubscribe } from "../../protocol/messages/subscribe.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from "../../protocol/version.ts";
import { startBroker } from "./broker.ts";
import type { TestBroker } from "./broker.ts";
import { ProtocolClient } from "./protocol-client.ts";
import { RawWebSocket } from "./raw-websocket.ts";
import { closePayload, wsFrame, WsOpcode } from "./websocket-frames.ts";

/*
 * The broker does not echo, so an echo is a publication: the client is subscribed to the channel it
 * publishes on. An observer on a connection of its own sees what was executed, whatever became of the
 * client. Markers published last tell that all before them has been dealt with.
 */

export type Format = "msgpack" | "json";

const CHANNEL = "rfc.echo";
const SENTINEL = "sentinel";

const binaryCodec = new BinaryCodec();
const jsonCodec = new JsonCodec();
const utf8 = new TextEncoder();

/** The opcode of a format's messages. */
export function opcodeOf(format: Format): number {
  return format === "json" ? WsOpcode.text : WsOpcode.binary;
}

/** The WebSocket message that publishes these bytes. */
export function publishMessage(format: Format, payload: Uint8Array | string): Uint8Array {
  const bytes = typeof payload === "string" ? utf8.encode(payload) : payload;
  const frame = encodePublish({ id: 0, channel: CHANNEL, payload: bytes, meta: null });
  return format === "json" ? utf8.encode(jsonCodec.encode(frame)) : binaryCodec.encode(frame);
}

/** A payload with which the message that publishes it has exactly `size` bytes. */
export function payloadForMessageOf(format: Format, size: number): Uint8Array {
  // Heads of msgpack grow with the payload: the overhead is measured near the size.
  const guess = new Uint8Array(size).fill(0x2a);
  const overhead = publishMessage(format, guess).length - size;
  for (let length = size - overhead; length <= size; length++) {
    if (publishMessage(format, guess.subarray(0, length)).length === size) {
      return guess.subarray(0, length);
    }
  }
  throw new RangeError(`no message of ${size} bytes can be made in ${format}`);
}

/** One text message that publishes bytes which need not be UTF-8. */
export function rawTextMessage(payload: Uint8Array): Uint8Array {
  return Buffer.concat([utf8.encode(`[4,0,"${CHANNEL}","`), payload, utf8.encode('"]')]);
}

export interface Expected {
  /** Payloads that are published, in order, and come back. */
  readonly echoes?: readonly (Uint8Array | string)[];
  /** Payloads of the pongs, in order. */
  readonly pongs?: readonly (Uint8Array | string)[];
  /** The close codes allowed; left out, the connection goes on and is then closed with 1000. */
  readonly close?: number | readonly number[];
}

/** Runs cases against one broker, one after the other. */
export class Rfc6455Cases implements AsyncDisposable {
  readonly #broker: TestBroker;
  readonly #observer: ProtocolClient;
  #caseCount = 0;

  private constructor(broker: TestBroker, observer: ProtocolClient) {
    this.#broker = broker;
    this.#observer = observer;
  }

  static async start(options: ConfigInput): Promise<Rfc6455Cases> {
    const broker = await startBroker(options);
    const observer = await ProtocolClient.connect(broker.url);
    await observer.subscribe(CHANNEL);
    return new Rfc6455Cases(broker, observer);
  }

  /**
   * Sends pieces, each in a turn of the event loop of its own, and holds what comes back against what is
   * expected: nothing less, nothing more, and the end as it should be.
   */
  async expect(
    format: Format,
    pieces: readonly Uint8Array[],
    { echoes = [], pongs = [], close }: Expected,
  ): Promise<void> {
    const firstSeen = this.#observer.publications.length;
    await using socket = await RawWebSocket.connect(this.#broker.url, {
      subprotocols: [format === "json" ? SUBPROTOCOL_JSON : SUBPROTOCOL_MSGPACK],
    });
    await begin(socket, format);
    await socket.writePieces(pieces);
    if (close === undefined) {
      socket.write(wsFrame(opcodeOf(format), publishMessage(format, SENTINEL)));
      await socket.until(() => echoesOf(socket, format).includes(hex(SENTINEL)));
    }
    const code = close === undefined ? await closeNormally(socket) : (await socket.closed).code;
    const expected = [...echoes, ...(close === undefined ? [SENTINEL] : [])].map(hex);
    const executed = await this.#executedSince(firstSeen);
    expect({ executed, pongs: pongsOf(socket) }).toEqual({
      executed: expected,
      pongs: pongs.map(hex),
    });
    expect([close ?? 1000].flat()).toContain(code as number);
    // Who breaks the rules may be cut off before the last echoes have left.
    const seen = echoesOf(socket, format);
    expect(seen).toEqual(close === undefined ? expected : expected.slice(0, seen.length));
    expectWellFormed(socket);
  }

  /** Payloads the observer got from the publication with this index on. */
  async #executedSince(first: number): Promise<string[]> {
    const marker = `end of case ${++this.#caseCount}`;
    const { publications } = this.#observer;
    await this.#observer.publish(CHANNEL, marker);
    await this.#observer.until(() => hex(publications.at(-1)?.payload ?? "") === hex(marker));
    return publications.slice(first, -1).map(({ payload }) => hex(payload));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#observer[Symbol.asyncDispose]();
    await this.#broker[Symbol.asyncDispose]();
  }
}

/** Connects and subscribes, and waits until both are answered. */
async function begin(socket: RawWebSocket, format: Format): Promise<void> {
  const frames = [
    encodeConnect({ id: 1, version: 1, token: null, client: "rfc6455" }),
    encodeSubscribe({ id: 2, channel: CHANNEL, recover: { type: "none" }, flags: 0 }),
  ];
  const message =
    format === "json"
      ? utf8.encode(jsonCodec.join(frames.map((frame) => jsonCodec.encode(frame))))
      : binaryCodec.join(frames.map((frame) => binaryCodec.encode(frame)));
  socket.write(wsFrame(opcodeOf(format), message));
  await socket.until(() =>
    framesOf(socket, format).some((frame) => frame?.type === "ok" && frame.id === 2),
  );
}

async function closeNormally(socket: RawWebSocket): Promise<number | null> {
  socket.write(wsFrame(WsOpcode.close, closePayload(1000)));
  return (await socket.closed).code;
}

/** Everything the broker said in frames of its own protocol. */
function framesOf(socket: RawWebSocket, format: Format) {
  const frames: ReturnType<typeof decodeServerFrame>[] = [];
  for (const { opcode, payload } of socket.frames) {
    if (opcode >= WsOpcode.close) continue;
    expect(opcode).toBe(opcodeOf(format));
    if (format === "json") {
      jsonCodec.decode(Buffer.from(payload).toString("utf8"), (one) =>
        frames.push(decodeServerFrame(one)),
      );
    } else binaryCodec.decode(payload, (one) => frames.push(decodeServerFrame(one)));
  }
  return frames;
}

function hex(payload: Uint8Array | string): string {
  return Buffer.from(payload).toString("hex");
}

function echoesOf(socket: RawWebSocket, format: Format): string[] {
  return framesOf(socket, format).flatMap((frame) =>
    frame?.type === "publication" ? hex(frame.payload) : [],
  );
}

function pongsOf(socket: RawWebSocket): string[] {
  return socket.frames
    .filter(({ opcode }) => opcode === WsOpcode.pong)
    .map(({ payload }) => hex(payload));
}

/** Whatever a client does, the broker's own frames keep to the RFC. */
function expectWellFormed(socket: RawWebSocket): void {
  for (const { fin, rsv, opcode, payload } of socket.frames) {
    expect({ fin, rsv }).toEqual({ fin: true, rsv: 0 });
    if (opcode >= WsOpcode.close) expect(payload.length).toBeLessThanOrEqual(125);
  }
  const closes = socket.frames.filter(({ opcode }) => opcode === WsOpcode.close);
  expect(closes.length).toBeLessThanOrEqual(1);
  if (closes.length === 1) expect(socket.frames.at(-1)).toBe(closes[0]);
}
