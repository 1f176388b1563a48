import { describe, expect, test } from "bun:test";

import { patternMatches } from "../../../protocol/channel-name.ts";
import { encodeUnsubscribe } from "../../../protocol/messages/unsubscribe.ts";
import { PlainNode } from "../../support/plain-node.ts";
import type { PlainClient } from "../../support/plain-node.ts";
import { publishFrame, subscribeFrame } from "../../support/protocol-client.ts";
import { announceSeed, Random } from "../../support/random.ts";

const CHANNELS = ["a", "a.b", "a.c", "b.c", "b.d.e"];
const PATTERNS = [">", "a.*", "*.c", "b.>", "a.>"];

function entryOf({ offset, payload }: { offset: number; payload: Uint8Array }): string {
  return `publication ${offset} ${Bun.hash.crc32(payload)}`;
}

/** What one client must have got on one channel, in order: replies to its own commands, and publications. */
type Story = string[];

/** A client and the model of it: what it is subscribed to, and what it must have been sent. */
class Actor {
  readonly client: PlainClient;
  readonly names = new Set<string>();
  readonly stories = new Map<string, Story>(CHANNELS.map((channel) => [channel, []]));
  lastId = 1;
  isGone = false;

  constructor(client: PlainClient) {
    this.client = client;
  }

  isSubscribed(channel: string): boolean {
    return [...this.names].some((name) => patternMatches(name, channel));
  }

  /** Notes something in the stories of all channels that the name matches. */
  note(name: string, text: string): void {
    for (const [channel, story] of this.stories) {
      if (patternMatches(name, channel)) story.push(text);
    }
  }

  /** The same stories, from the frames it was really sent. */
  told(nameOfId: (id: number) => string, channelOfId: ReadonlyMap<number, string>) {
    const told = new Map<string, Story>(CHANNELS.map((channel) => [channel, []]));
    for (const frame of this.client.frames) {
      if (frame.type === "publication") {
        told.get(channelOfId.get(frame.channelId) ?? "")?.push(entryOf(frame));
      } else if (frame.type === "ok") {
        for (const [channel, story] of told) {
          if (patternMatches(nameOfId(frame.id), channel)) story.push(`reply ${frame.id}`);
        }
      } else if (frame.type === "error") throw new Error(`${frame.id}: ${frame.message}`);
    }
    return told;
  }
}

/** A node with actors who do random things, and the model of what each of them must see. */
class Play {
  readonly node: PlainNode;
  readonly random: Random;
  readonly historySize: number;
  readonly actors: Actor[] = [];
  /** Every publication of each channel. */
  readonly published = new Map<string, string[]>(CHANNELS.map((channel) => [channel, []]));
  readonly #nameOfRequest = new Map<string, string>();

  constructor(random: Random, historySize: number, flushIntervalMs: number) {
    this.random = random;
    this.historySize = historySize;
    this.node = new PlainNode({
      historySize,
      flushIntervalMs,
      outboundBytes: "64MiB",
      commandRate: 0,
    });
  }

  async enter(): Promise<void> {
    const client = await this.node.connect(this.random.chance(0.3) ? "json" : "msgpack");
    this.actors.push(new Actor(client));
  }

  #request(actor: Actor, name: string): number {
    const id = ++actor.lastId;
    this.#nameOfRequest.set(`${this.actors.indexOf(actor)} ${id}`, name);
    return id;
  }

  publish(actor: Actor): void {
    const { random } = this;
    const frames = [];
    for (let i = random.between(1, 5); i > 0; i--) {
      const channel = random.pick(CHANNELS);
      const payload = random.bytes(random.chance(0.1) ? 30_000 : random.pick([0, 5, 60, 700]));
      const published = this.published.get(channel) ?? [];
      const entry = entryOf({ offset: published.length + 1, payload });
      published.push(entry);
      for (const each of this.actors) {
        if (each.isSubscribed(channel)) each.stories.get(channel)?.push(entry);
      }
      frames.push(publishFrame(0, channel, payload));
    }
    actor.client.send(...frames);
  }

  subscribe(actor: Actor): void {
    const { random } = this;
    const name = random.pick([...CHANNELS, ...PATTERNS]);
    if (actor.names.has(name)) return;
    const id = this.#request(actor, name);
    const isName = CHANNELS.includes(name);
    const { historySize } = this;
    const last = isName && random.chance(0.4) ? random.below(historySize + 3) : null;
    actor.client.send(subscribeFrame(id, name, last === null ? {} : { recover: last }));
    actor.note(name, `reply ${id}`);
    actor.names.add(name);
    const count = Math.min(last ?? 0, historySize);
    const recovered = count === 0 ? [] : (this.published.get(name)?.slice(-count) ?? []);
    for (const entry of recovered) actor.note(name, entry);
  }

  unsubscribe(actor: Actor): void {
    if (actor.names.size === 0) return;
    const name = this.random.pick([...actor.names]);
    const id = this.#request(actor, name);
    actor.client.send(encodeUnsubscribe({ id, channel: name }));
    actor.names.delete(name);
    actor.note(name, `reply ${id}`);
  }

  vanish(actor: Actor): void {
    actor.client.vanish();
    actor.isGone = true;
    actor.names.clear();
  }

  check(): void {
    const channelOfId = new Map<number, string>();
    for (const channel of this.node.hub.channels()) channelOfId.set(channel.id, channel.name);
    for (const [index, actor] of this.actors.entries()) {
      const nameOfId = (id: number): string => this.#nameOfRequest.get(`${index} ${id}`) ?? "";
      const told = actor.told(nameOfId, channelOfId);
      for (const [channel, story] of actor.stories) {
        const seen = told.get(channel) ?? [];
        // Who is gone has seen a part, from the beginning.
        expect(seen).toEqual(actor.isGone ? story.slice(0, seen.length) : story);
      }
    }
  }

  /** Channels a client got by pattern were announced before, with the offset they go on from. */
  checkAnnouncements(): void {
    for (const { client } of this.actors) {
      const next = new Map<number, number>();
      for (const frame of client.frames) {
        if (frame.type === "channel") next.set(frame.channelId, frame.offset + 1);
        else if (frame.type === "publication" && next.has(frame.channelId)) {
          // Recovered publications of a subscription by name may step back; live ones never jump ahead.
          expect(frame.offset).toBeLessThanOrEqual(next.get(frame.channelId) ?? 0);
          next.set(frame.channelId, frame.offset + 1);
        } else if (frame.type === "ok" && Array.isArray(frame.result)) {
          const [channelId, , offset] = frame.result as [number, string, number];
          if (channelId !== 0) next.set(channelId, offset + 1);
        }
      }
    }
  }
}

describe("hub", () => {
  const seed = announceSeed("hub");

  for (const historySize of [0, 3, 100]) {
    for (const flushIntervalMs of [0, 5]) {
      test(`delivers to everybody what they are subscribed to, in order: history ${historySize}, flush ${flushIntervalMs} ms`, async () => {
        for (let round = 0; round < 8; round++) {
          const play = new Play(new Random(seed + round), historySize, flushIntervalMs);
          const { random } = play;
          for (let i = 0; i < 4; i++) await play.enter();
          for (let step = 0; step < 150; step++) {
            const here = play.actors.filter(({ isGone }) => !isGone);
            if (here.length < 3) await play.enter();
            const actor = random.pick(here);
            const dice = random.below(100);
            if (dice < 40) play.publish(actor);
            else if (dice < 60) play.subscribe(actor);
            else if (dice < 70) play.unsubscribe(actor);
            else if (dice < 80) actor.client.stopReading();
            else if (dice < 88) actor.client.resumeReading();
            else if (dice < 90) play.vanish(actor);
            else await play.node.settle();
          }
          play.node.hub.flushAll();
          await play.node.settle();
          for (const { client, isGone } of play.actors) if (!isGone) client.resumeReading();
          play.check();
          play.checkAnnouncements();
          for (const actor of play.actors) if (!actor.isGone) play.vanish(actor);
          expect(play.node.stats.subscriptionsOpen).toBe(0);
          expect(play.node.stats.outboundQueuedBytes).toBe(0);
          expect(play.node.registry.size).toBe(0);
        }
      });
    }
  }

  test("joins what a tick brings on several channels, in memory that is not written to while it waits", async () => {
    const node = new PlainNode();
    const random = new Random(seed);
    const publisher = await node.connect();
    const clients = [await node.connect(), await node.connect()];
    for (const client of clients) {
      client.send(...CHANNELS.map((channel, i) => subscribeFrame(10 + i, channel)));
    }
    await node.settle();
    clients[0]?.stopReading();
    const entries: string[] = [];
    for (let tick = 1; tick <= 3; tick++) {
      const payloads = CHANNELS.map(() => random.bytes(30_000));
      entries.push(...payloads.map((payload) => entryOf({ offset: tick, payload })));
      publisher.send(...payloads.map((payload, i) => publishFrame(0, CHANNELS[i] ?? "", payload)));
      await node.settle();
    }
    clients[0]?.resumeReading();
    for (const client of clients) {
      const seen = client.frames.flatMap((frame) =>
        frame.type === "publication" ? [entryOf(frame)] : [],
      );
      expect(seen).toEqual(entries);
    }
    // Who keeps up gets replies, and for each tick three messages of 64 KiB at most for the five channels.
    expect(clients[1]?.socket.taken).toHaveLength(2 + 3 * 3);
  });
});
