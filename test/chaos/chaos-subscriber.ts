import { decodeSubscribedResult } from "../../protocol/messages/subscribe.ts";
import type { StreamPosition } from "../../protocol/position.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { subscribeFrame } from "../support/protocol-client.ts";
import { ChaosClient } from "./chaos-client.ts";
import type { DeliveryChecker } from "./delivery-checker.ts";

/** A refused subscribe is tried again after this. */
const RETRY_MS = 100;

/** Follows channels over whatever happens, as [P-7.3] lets a client do, and tells the checker what it got. */
export class ChaosSubscriber implements Disposable {
  readonly name: string;
  readonly #channels: readonly string[];
  readonly #checker: DeliveryChecker;
  readonly #client: ChaosClient;
  readonly #decoder = new TextDecoder();
  readonly #asked = new Map<number, string>();
  readonly #names = new Map<number, string>();
  /** Channels it has been on, also while it is not. */
  readonly #begun = new Set<string>();
  readonly #following = new Set<string>();
  recoveredCount = 0;

  constructor(
    name: string,
    url: () => string,
    channels: readonly string[],
    checker: DeliveryChecker,
  ) {
    this.name = name;
    this.#channels = channels;
    this.#checker = checker;
    this.#client = new ChaosClient({
      url,
      connected: () => {
        for (const channel of channels) this.#subscribe(channel);
      },
      received: (frame) => this.#received(frame),
      disconnected: () => {
        this.#asked.clear();
        this.#names.clear();
        this.#following.clear();
      },
    });
  }

  get isFollowingAll(): boolean {
    return this.#following.size === this.#channels.length;
  }

  position(channel: string): StreamPosition {
    return this.#checker.position(this.name, channel);
  }

  #subscribe(channel: string): void {
    const id = this.#client.nextId();
    this.#asked.set(id, channel);
    const recover = this.#begun.has(channel) ? { recover: this.position(channel) } : {};
    this.#client.send(subscribeFrame(id, channel, recover));
  }

  #received(frame: ServerFrame): void {
    switch (frame.type) {
      case "ok":
        this.#subscribed(frame.id, frame.result);
        break;
      case "error": {
        const channel = this.#asked.get(frame.id);
        this.#asked.delete(frame.id);
        if (channel !== undefined) setTimeout(() => this.#again(channel), RETRY_MS);
        break;
      }
      case "publication": {
        const channel = this.#names.get(frame.channelId) ?? "";
        const text = this.#decoder.decode(frame.payload);
        this.#checker.delivered(this.name, channel, frame.offset, text);
        break;
      }
      case "channel": {
        const { name, epoch, offset } = frame;
        if (this.#following.has(name)) this.#checker.continued(this.name, name, { epoch, offset });
        break;
      }
      case "unsubscribed":
        this.#following.delete(frame.channel);
        this.#subscribe(frame.channel);
        break;
      case "connected":
      case "pong":
      case "gap":
      case "join":
      case "leave":
      case "drain":
      case "token-expiring":
      case "notice":
        break;
    }
  }

  #again(channel: string): void {
    const isAsked = [...this.#asked.values()].includes(channel);
    if (this.#client.isReady && !isAsked && !this.#following.has(channel)) this.#subscribe(channel);
  }

  #subscribed(id: number, value: unknown): void {
    const channel = this.#asked.get(id);
    if (channel === undefined) return;
    this.#asked.delete(id);
    const result = decodeSubscribedResult(value);
    const { channelId, epoch, offset, count } = result;
    this.#names.set(channelId, channel);
    this.#following.add(channel);
    const at = { epoch, offset: offset - count };
    if (result.recovered) {
      this.recoveredCount++;
      this.#checker.continued(this.name, channel, at);
    } else this.#checker.began(this.name, channel, at);
    this.#begun.add(channel);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
