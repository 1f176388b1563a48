import type { Frame } from "../../protocol/frame.ts";
import { encodeConnect } from "../../protocol/messages/connect.ts";
import type { ConnectedReply } from "../../protocol/messages/connected.ts";
import { decodeHistoryResult, encodeHistory } from "../../protocol/messages/history.ts";
import type { HistoryResult } from "../../protocol/messages/history.ts";
import { EMPTY_META } from "../../protocol/messages/meta.ts";
import type { PublicationMeta } from "../../protocol/messages/meta.ts";
import { encodePing } from "../../protocol/messages/ping.ts";
import type { PongReply } from "../../protocol/messages/ping.ts";
import { decodePresenceResult, encodePresence } from "../../protocol/messages/presence.ts";
import type { PresenceMember } from "../../protocol/messages/presence.ts";
import { decodePublishedResult, encodePublish } from "../../protocol/messages/publish.ts";
import type { PublishedResult } from "../../protocol/messages/publish.ts";
import { decodeRefreshedResult, encodeRefresh } from "../../protocol/messages/refresh.ts";
import type { ErrorReply } from "../../protocol/messages/reply.ts";
import { decodeSubscribedResult, encodeSubscribe } from "../../protocol/messages/subscribe.ts";
import type { RecoverFrom, SubscribedResult } from "../../protocol/messages/subscribe.ts";
import { encodeUnsubscribe } from "../../protocol/messages/unsubscribe.ts";
import type { StreamPosition } from "../../protocol/position.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { ProtocolConnection } from "./protocol-connection.ts";
import type { ConnectionOptions } from "./protocol-connection.ts";

export interface ClientOptions extends ConnectionOptions {
  /** Sent in the connect frame. */
  readonly token?: string;
  readonly name?: string;
}

export interface SubscribeOptions {
  readonly flags?: number;
  /** Everything after this position, or the newest n. */
  readonly recover?: StreamPosition | number;
}

/** The broker answered a request with an error. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly code: number;
  readonly reply: ErrorReply;

  constructor(reply: ErrorReply) {
    super(`${reply.code} ${reply.name}: ${reply.message}`);
    this.code = reply.code;
    this.reply = reply;
  }
}

type Reply = Extract<ServerFrame, { readonly id: number }>;

/** A client of one connection: requests and their replies, no retries, no recovery, no batching. */
export class ProtocolClient extends ProtocolConnection {
  #lastId = 0;
  /** The reply to connect. */
  connected: ConnectedReply | null = null;

  /** Opens the WebSocket and connects. @throws RefusedError */
  static async connect(url: string, options: ClientOptions = {}): Promise<ProtocolClient> {
    const client = await ProtocolClient.open(url, options);
    await client.connect(options.token ?? null, options.name ?? null);
    return client;
  }

  /** Opens the WebSocket and sends nothing. */
  static async open(url: string, options: ClientOptions = {}): Promise<ProtocolClient> {
    const client = new ProtocolClient(url, options);
    await client.opened();
    return client;
  }

  /** What the broker calls this connection; empty before `connect`. */
  get connectionId(): string {
    return this.connected?.connection ?? "";
  }

  nextId(): number {
    return ++this.#lastId;
  }

  /** Sends a frame with this id and resolves to its reply. @throws RefusedError */
  async request(id: number, frame: Frame): Promise<Reply> {
    this.send(frame);
    return this.reply(id);
  }

  /** The reply to this id. @throws RefusedError */
  async reply(id: number): Promise<Reply> {
    let reply: Reply | undefined;
    // Replies are found among the newest frames, however many publications came before.
    let next = 0;
    await this.until(() => {
      while (reply === undefined && next < this.frames.length) {
        const frame = this.frames[next++] as ServerFrame;
        if ("id" in frame && frame.id === id) reply = frame;
      }
      return reply !== undefined;
    });
    const found = reply as unknown as Reply;
    if (found.type === "error") throw new RefusedError(found);
    return found;
  }

  async connect(token: string | null = null, name: string | null = null): Promise<ConnectedReply> {
    const id = this.nextId();
    const frame = encodeConnect({ id, version: PROTOCOL_VERSION, token, client: name });
    this.connected = (await this.request(id, frame)) as ConnectedReply;
    return this.connected;
  }

  async subscribe(channel: string, options: SubscribeOptions = {}): Promise<SubscribedResult> {
    const id = this.nextId();
    const reply = await this.request(id, subscribeFrame(id, channel, options));
    const result = decodeSubscribedResult(resultOf(reply));
    if (result.channelId !== 0) this.channelNames.set(result.channelId, channel);
    return result;
  }

  async unsubscribe(channel: string): Promise<void> {
    const id = this.nextId();
    await this.request(id, encodeUnsubscribe({ id, channel }));
  }

  /** Publishes and waits for the acknowledgement. */
  async publish(
    channel: string,
    payload: Uint8Array | string,
    meta: Partial<PublicationMeta> | null = null,
  ): Promise<PublishedResult> {
    const id = this.nextId();
    this.send(publishFrame(id, channel, payload, meta));
    return this.published(id);
  }

  /** The outcome of a publish frame with this id, sent before or after. */
  async published(id: number): Promise<PublishedResult> {
    return decodePublishedResult(resultOf(await this.reply(id)));
  }

  /** Publishes without asking for a reply. */
  post(channel: string, payload: Uint8Array | string): void {
    this.send(publishFrame(0, channel, payload));
  }

  async history(
    channel: string,
    limit: number,
    since: StreamPosition | null = null,
  ): Promise<HistoryResult> {
    const id = this.nextId();
    const reply = await this.request(id, encodeHistory({ id, channel, limit, since }));
    return decodeHistoryResult(resultOf(reply));
  }

  async presence(channel: string): Promise<PresenceMember[]> {
    const id = this.nextId();
    return decodePresenceResult(resultOf(await this.request(id, encodePresence({ id, channel }))));
  }

  async ping(clientTimeMs = 0): Promise<PongReply> {
    const id = this.nextId();
    return (await this.request(id, encodePing({ id, clientTimeMs }))) as PongReply;
  }

  /** Resolves to the time until the new token expires, ms. */
  async refresh(token: string): Promise<number> {
    const id = this.nextId();
    return decodeRefreshedResult(resultOf(await this.request(id, encodeRefresh({ id, token }))));
  }
}

function resultOf(reply: Reply): unknown {
  if (reply.type !== "ok") throw new Error(`expected a result, got ${reply.type}`);
  return reply.result;
}

export function subscribeFrame(
  id: number,
  channel: string,
  { flags = 0, recover }: SubscribeOptions = {},
): Frame {
  return encodeSubscribe({ id, channel, recover: recoverFrom(recover), flags });
}

function recoverFrom(recover: StreamPosition | number | undefined): RecoverFrom {
  if (recover === undefined) return { type: "none" };
  if (typeof recover === "number") return { type: "last", count: recover };
  return { type: "position", position: recover };
}

export function publishFrame(
  id: number,
  channel: string,
  payload: Uint8Array | string,
  meta: Partial<PublicationMeta> | null = null,
): Frame {
  return encodePublish({
    id,
    channel,
    payload: typeof payload === "string" ? new TextEncoder().encode(payload) : payload,
    meta: meta === null ? null : { ...EMPTY_META, ...meta },
  });
}
