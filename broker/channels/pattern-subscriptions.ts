import type { Session } from "../sessions/session.ts";
import type { Channel, Subscriber } from "./channel.ts";
import { PatternIndex } from "./pattern-index.ts";

/** One session's interest in all channels that match a pattern. */
export interface PatternSubscriber {
  readonly session: Session;
  /** `SubscribeFlag` bits. */
  readonly flags: number;
  /** The generation it came with. */
  readonly sinceGeneration: number;
}

/** The node's subscriptions by pattern, and which sessions a channel reaches through them. */
export class PatternSubscriptions {
  readonly #index = new PatternIndex<PatternSubscriber>();
  readonly #byPattern = new Map<string, Map<Session, PatternSubscriber>>();
  #count = 0;
  #generation = 0;

  /** Raised by every change: what was resolved before is looked up again. */
  get generation(): number {
    return this.#generation;
  }

  add(pattern: string, session: Session, flags: number): void {
    const subscriber = { session, flags, sinceGeneration: ++this.#generation };
    let sessions = this.#byPattern.get(pattern);
    if (sessions === undefined) {
      sessions = new Map();
      this.#byPattern.set(pattern, sessions);
    }
    sessions.set(session, subscriber);
    this.#index.add(pattern, subscriber);
    this.#count++;
  }

  remove(pattern: string, session: Session): void {
    const sessions = this.#byPattern.get(pattern);
    const subscriber = sessions?.get(session);
    if (sessions === undefined || subscriber === undefined) return;
    sessions.delete(session);
    if (sessions.size === 0) this.#byPattern.delete(pattern);
    this.#index.remove(pattern, subscriber);
    this.#count--;
    this.#generation++;
  }

  /** Calls `visit` for each pattern subscription that matches a channel name. */
  match(name: string, visit: (subscriber: PatternSubscriber) => void): void {
    if (this.#count > 0) this.#index.match(name, visit);
  }

  isMatched(name: string): boolean {
    let isMatched = false;
    this.match(name, () => (isMatched = true));
    return isMatched;
  }

  /** The sessions a channel reaches by pattern and not by name, each once; kept until something changes. */
  reach(channel: Channel): readonly Subscriber[] {
    if (channel.matchedGeneration === this.#generation) return channel.matched;
    channel.matchedGeneration = this.#generation;
    if (this.#count === 0) {
      if (channel.matched.length > 0) channel.matched = [];
      return channel.matched;
    }
    const bySession = new Map<Session, { flags: number; sinceGeneration: number }>();
    this.match(channel.name, ({ session, flags, sinceGeneration }) => {
      const known = bySession.get(session);
      bySession.set(session, {
        flags: flags | (known?.flags ?? 0),
        sinceGeneration: Math.min(sinceGeneration, known?.sinceGeneration ?? sinceGeneration),
      });
    });
    for (const { session } of channel.subscribers) bySession.delete(session);
    channel.matched = [...bySession].map(([session, { flags, sinceGeneration }]) => ({
      session,
      flags,
      index: -1,
      // One from before the session's patterns of now is out of date: publications were left out since.
      isAnnounced: (session.announced.get(channel.id) ?? -1) >= sinceGeneration,
    }));
    return channel.matched;
  }
}
