import { TickwireClient } from "../../client/index.ts";
import type { ClientOptions, Publication, Subscription } from "../../client/index.ts";
import type { Frame } from "../../protocol/frame.ts";
import { historyResult } from "../../protocol/messages/history.ts";
import type { HistoryItem } from "../../protocol/messages/history.ts";
import { encodePublication } from "../../protocol/messages/publication.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import type { SubscribeCommand, SubscribedResult } from "../../protocol/messages/subscribe.ts";
import { subscribedResult } from "../../protocol/messages/subscribe.ts";
import { ScriptedPeer } from "./scripted-peer.ts";
import type { PeerConnection } from "./scripted-peer.ts";

/** A client connected to a scripted peer; both end together. */
export interface Pair extends AsyncDisposable {
  readonly peer: ScriptedPeer;
  readonly client: TickwireClient;
  readonly connection: PeerConnection;
}

/** Reconnects at once unless the options say otherwise. */
export async function connectedPair(
  options: ClientOptions = {},
  reply: Parameters<PeerConnection["accept"]>[0] = {},
): Promise<Pair> {
  const peer = new ScriptedPeer();
  const client = new TickwireClient(peer.url, { random: () => 0, ...options });
  const connection = await peer.accepted(reply);
  await client.ready();
  return {
    peer,
    client,
    connection,
    // The peer first: answers a test did not give will not come, and need not be waited for.
    [Symbol.asyncDispose]: async () => {
      await peer[Symbol.asyncDispose]();
      await client.close();
    },
  };
}

/** The `ok` of a subscribe; what is not given is that of an empty channel with the number 1. */
export function subscribedFrame(id: number, result: Partial<SubscribedResult> = {}): Frame {
  const whole = { channelId: 1, epoch: "e", offset: 0, recovered: false, count: 0, ...result };
  return encodeOk(id, subscribedResult(whole));
}

/** The `ok` of a subscribe to a pattern. */
export function patternFrame(id: number): Frame {
  return subscribedFrame(id, { channelId: 0, epoch: "" });
}

/** Takes the next subscribe and answers it, with what follows in the same message. */
export async function answerSubscribe(
  connection: PeerConnection,
  result: Partial<SubscribedResult> = {},
  ...following: readonly Frame[]
): Promise<SubscribeCommand> {
  const command = await connection.next("subscribe");
  connection.send(subscribedFrame(command.id, result), ...following);
  return command;
}

/** Publications whose payload is one byte, the offset's last. */
export function publications(channelId: number, ...offsets: readonly number[]): Frame[] {
  return offsets.map((offset) =>
    encodePublication({ channelId, offset, payload: Uint8Array.of(offset & 0x7f), meta: null }),
  );
}

/** What a subscription gives, as "channel:offset", in order. */
export class Deliveries {
  readonly got: string[] = [];
  #waiters: (() => void)[] = [];

  /** For the callback of `subscribe`. */
  readonly take = (publication: Publication): void => {
    this.got.push(`${publication.channel}:${publication.offset}`);
    for (const resolve of this.#waiters.splice(0)) resolve();
  };

  /** Resolves when so many have come in all. */
  async count(count: number): Promise<readonly string[]> {
    while (this.got.length < count) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    return this.got;
  }
}

/** Reads so many publications in a loop. */
export async function readOffsets(subscription: Subscription, count: number): Promise<number[]> {
  const offsets: number[] = [];
  for await (const { offset } of subscription) {
    offsets.push(offset);
    if (offsets.length === count) break;
  }
  return offsets;
}

/** Cuts the connection and gives the accepted next one. */
export async function reconnected(
  pair: Pair,
  connection = pair.connection,
): Promise<PeerConnection> {
  connection.cut();
  return pair.peer.accepted();
}

/** Items of history, whose payload does not matter. */
export function items(...offsets: readonly number[]): HistoryItem[] {
  return offsets.map((offset) => ({ offset, payload: Uint8Array.of(1), meta: null }));
}

/** Takes the next history command and answers it. */
export async function answerHistory(
  connection: PeerConnection,
  result: { epoch?: string; offset: number; complete?: boolean; publications: HistoryItem[] },
): Promise<{ channel: string; since: unknown }> {
  const { id, channel, since } = await connection.next("history");
  connection.ok(id, historyResult({ epoch: "e", complete: true, ...result }));
  return { channel, since };
}
