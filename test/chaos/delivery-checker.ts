import type { StreamPosition } from "../../protocol/position.ts";

/** What the clients of a round may not have seen, and how often they did. */
export interface Violations {
  /** Acknowledged, not delivered to somebody who was subscribed, and nobody told. */
  readonly silent: number;
  /** Delivered twice to one subscriber that was told of no break in between. */
  readonly doubled: number;
  /** Delivered against the order in which its publisher sent. */
  readonly inverted: number;
  /** Delivered although its publisher was told that nothing was stored. */
  readonly ghosts: number;
  /** Another publication than the one that was acknowledged with, or delivered to others at, its position. */
  readonly mismatched: number;
}

export interface DeliveryFigures extends Violations {
  readonly acked: number;
  readonly unknown: number;
  readonly refused: number;
  readonly delivered: number;
  /** Breaks that subscribers were told of, channel by channel. */
  readonly resynced: number;
  /** Acknowledged and not delivered to a subscriber that was told of a break there. */
  readonly lost: number;
  /** Acknowledged, erased by a failover, and told by the epoch that followed without them. */
  readonly rolledBack: number;
  /** What the violations were, the first of them. */
  readonly examples: readonly string[];
}

/** A stretch of one subscriber's stream in which nothing may be missing: one segment per epoch. */
type Run = { readonly epoch: string; readonly after: number; to: number }[];

interface View {
  readonly subscriber: string;
  readonly channel: string;
  readonly runs: Run[];
  /** Texts of the present run. */
  texts: Set<string>;
  /** Last number of each publisher in the present run. */
  lastOf: Map<string, number>;
}

const MAX_EXAMPLES = 20;

/**
 * Keeps what publishers were answered and subscribers were given, and finds what contradicts the promises.
 * Texts are `publisher:number`, counted up by publisher and channel, and each is published once.
 */
export class DeliveryChecker {
  readonly #views = new Map<string, View>();
  /** What each position of a channel holds. */
  readonly #stored = new Map<string, string>();
  readonly #acked: {
    readonly channel: string;
    readonly at: StreamPosition;
    readonly text: string;
  }[] = [];
  readonly #lastAcked = new Map<string, StreamPosition>();
  readonly #refused = new Set<string>();
  readonly #delivered = new Set<string>();
  readonly #examples: string[] = [];
  readonly #counts = {
    unknown: 0,
    delivered: 0,
    resynced: 0,
    doubled: 0,
    inverted: 0,
    mismatched: 0,
  };

  acknowledged(channel: string, at: StreamPosition, text: string): void {
    this.#acked.push({ channel, at, text });
    this.#lastAcked.set(channel, at);
    this.#holds(channel, at, text);
  }

  lastAcknowledged(channel: string): StreamPosition {
    return this.#lastAcked.get(channel) ?? { epoch: "", offset: 0 };
  }

  /** The publisher was told that nothing was stored. */
  refused(channel: string, text: string): void {
    this.#refused.add(`${channel} ${text}`);
  }

  /** The publisher was told that it is not known, or its connection ended before it was told. */
  unknown(): void {
    this.#counts.unknown++;
  }

  #holds(channel: string, { epoch, offset }: StreamPosition, text: string): void {
    const key = `${channel} ${epoch}:${offset}`;
    const known = this.#stored.get(key) ?? text;
    if (known !== text) {
      this.#counts.mismatched++;
      this.#example(`${key} is "${known}" and "${text}"`);
    }
    this.#stored.set(key, known);
  }

  /** A subscriber was told where it is: nothing before that may be expected any more. */
  began(subscriber: string, channel: string, at: StreamPosition): void {
    const key = `${subscriber} ${channel}`;
    const run: Run = [{ epoch: at.epoch, after: at.offset, to: at.offset }];
    const view = this.#views.get(key);
    if (view === undefined) {
      const fresh = { subscriber, channel, runs: [run], texts: new Set<string>() };
      this.#views.set(key, { ...fresh, lastOf: new Map() });
      return;
    }
    this.#counts.resynced++;
    view.runs.push(run);
    view.texts = new Set();
    view.lastOf = new Map();
  }

  /** A subscriber was told that its stream goes on in another epoch, with nothing missing. */
  continued(subscriber: string, channel: string, at: StreamPosition): void {
    const { runs } = this.#view(subscriber, channel);
    const run = runs.at(-1) as Run;
    const last = run.at(-1) as Run[number];
    if (last.epoch === at.epoch) return;
    if (at.offset !== last.to) {
      this.#counts.mismatched++;
      this.#example(`${subscriber} ${channel}: continued at ${at.offset}, had ${last.to}`);
    }
    run.push({ epoch: at.epoch, after: last.to, to: last.to });
  }

  hasBegun(subscriber: string, channel: string): boolean {
    return this.#views.has(`${subscriber} ${channel}`);
  }

  position(subscriber: string, channel: string): StreamPosition {
    const run = this.#view(subscriber, channel).runs.at(-1) as Run;
    const { epoch, to } = run.at(-1) as Run[number];
    return { epoch, offset: to };
  }

  delivered(subscriber: string, channel: string, offset: number, text: string): void {
    const view = this.#view(subscriber, channel);
    const run = view.runs.at(-1) as Run;
    const segment = run.at(-1) as Run[number];
    this.#counts.delivered++;
    this.#delivered.add(`${channel} ${text}`);
    const where = `${subscriber} ${channel} ${segment.epoch}:${offset} "${text}"`;
    if (view.texts.has(text) || offset <= segment.to) {
      this.#counts.doubled++;
      this.#example(`${where} doubled`);
      return;
    }
    view.texts.add(text);
    // A hole: the run ends here unsaid, so that what lies in it is found missing.
    if (offset !== segment.to + 1)
      run.push({ epoch: segment.epoch, after: offset - 1, to: offset });
    else segment.to = offset;
    this.#holds(channel, { epoch: segment.epoch, offset }, text);
    const [publisher = "", number = ""] = text.split(":");
    if (Number(number) <= (view.lastOf.get(publisher) ?? -1)) {
      this.#counts.inverted++;
      this.#example(`${where} after ${view.lastOf.get(publisher)}`);
    }
    view.lastOf.set(publisher, Number(number));
  }

  #view(subscriber: string, channel: string): View {
    const view = this.#views.get(`${subscriber} ${channel}`);
    if (view === undefined) throw new Error(`${subscriber} is not subscribed to ${channel}`);
    return view;
  }

  #example(text: string): void {
    if (this.#examples.length < MAX_EXAMPLES) this.#examples.push(text);
  }

  /** Goes through all of it. Every subscriber must have been brought up to date before. */
  figures(): DeliveryFigures {
    const missing = { silent: 0, lost: 0, rolledBack: 0 };
    const byChannel = Map.groupBy(this.#views.values(), ({ channel }) => channel);
    for (const { channel, at, text } of this.#acked) {
      for (const view of byChannel.get(channel) ?? []) {
        const fate = fateOf(view.runs, at);
        if (fate === "delivered" || fate === "before") continue;
        missing[fate]++;
        if (fate === "silent") {
          this.#example(`${view.subscriber} ${channel} ${at.epoch}:${at.offset} "${text}" missing`);
        }
      }
    }
    const ghosts = [...this.#refused].filter((key) => this.#delivered.has(key));
    for (const key of ghosts) this.#example(`${key} was refused and delivered`);
    return {
      acked: this.#acked.length,
      refused: this.#refused.size,
      ghosts: ghosts.length,
      ...this.#counts,
      ...missing,
      examples: this.#examples,
    };
  }
}

/** What became of the publication at a position, for a subscriber with these runs. */
function fateOf(
  runs: readonly Run[],
  { epoch, offset }: StreamPosition,
): "delivered" | "before" | "silent" | "lost" | "rolledBack" {
  const first = (runs[0] as Run)[0] as Run[number];
  if (epoch === first.epoch && offset <= first.after) return "before";
  for (const run of runs) {
    for (const [index, segment] of run.entries()) {
      if (segment.epoch !== epoch) continue;
      if (offset > segment.after && offset <= segment.to) return "delivered";
      const next = run[index + 1];
      if (offset > segment.to && next !== undefined && next.epoch !== epoch) return "rolledBack";
    }
  }
  const wasInIt = runs.some((run) => run.some((segment) => segment.epoch === epoch));
  if (!wasInIt) {
    // An epoch that came and went while this subscriber was told of a break, or that a failover erased as
    // a whole before anybody saw it: then another one has followed without a break.
    if (runs.length > 1) return "lost";
    return (runs[0] as Run).some((segment) => segment.epoch !== first.epoch)
      ? "rolledBack"
      : "silent";
  }
  for (let index = 1; index < runs.length; index++) {
    const from = (runs[index - 1] as Run).at(-1) as Run[number];
    const to = (runs[index] as Run)[0] as Run[number];
    if (from.epoch !== epoch && to.epoch !== epoch) continue;
    const isAfter = from.epoch !== epoch || offset > from.to;
    const isBefore = to.epoch !== epoch || offset <= to.after;
    if (isAfter && isBefore) return "lost";
  }
  return "silent";
}

export function violationsOf({
  silent,
  doubled,
  inverted,
  ghosts,
  mismatched,
}: Violations): Violations {
  return { silent, doubled, inverted, ghosts, mismatched };
}

export const NO_VIOLATIONS: Violations = {
  silent: 0,
  doubled: 0,
  inverted: 0,
  ghosts: 0,
  mismatched: 0,
};
