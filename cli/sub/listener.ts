import type { Publication, StreamPosition, Subscription } from "../../client/index.ts";
import { channelNameKind, patternMatches } from "../../protocol/channel-name.ts";
import { tellReconnects } from "../connection.ts";
import type { Connection } from "../connection.ts";
import { CliError } from "../errors.ts";
import { formatSize, plural } from "../format.ts";
import { Output, say } from "../output.ts";
import type { PublicationWriter } from "./publication-format.ts";

/** With this much waiting for the reader of our output, nothing more is read from the broker. */
const PAUSE_BYTES = 4 * 1024 * 1024;
/** What still comes while reading is paused, over reconnects, may add up to this. */
const MAX_QUEUED_BYTES = 256 * 1024 * 1024;
/** Channels whose subscription is remembered. */
const MAX_OWNERS = 10_000;

export interface ListenerOptions {
  /** Channels and patterns. */
  readonly names: readonly string[];
  readonly write: PublicationWriter;
  /** Ends after so many publications; null never. */
  readonly count: number | null;
  readonly recover: { readonly last: number } | StreamPosition | null;
  /** Whether a publication known to be missing is a failure. */
  readonly isStrict: boolean;
  /** Whether to tell only what went wrong. */
  readonly isQuiet: boolean;
}

/** Subscribes and writes what comes to standard output, and what happens to the subscriptions to standard error. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #connection: Connection;
  readonly #output = new Output();
  readonly #subscriptions: readonly Subscription<Uint8Array>[];
  readonly #ended = Promise.withResolvers<void>();
  /** Which of the names writes a channel that several of them match. */
  readonly #owners = new Map<string, string>();
  #isEnded = false;
  count = 0;

  constructor(connection: Connection, options: ListenerOptions) {
    this.#connection = connection;
    this.#options = options;
    tellReconnects(connection, (text) => this.#tell(text));
    connection.client.on("closed", ({ terminal, reason }) => {
      if (terminal) this.#fail(`the broker ended the connection: ${reason}`);
    });
    this.#subscriptions = options.names.map((name) => this.#subscribe(name));
  }

  /** Resolves when the count is reached. Rejects with a CliError when there is no point in going on. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Writes nothing more. Resolves when everything written has been read. */
  async stop(): Promise<void> {
    this.#isEnded = true;
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await this.#output.drained();
  }

  #subscribe(name: string): Subscription<Uint8Array> {
    const { recover } = this.#options;
    const isPattern = channelNameKind(name) === "pattern";
    const subscription = this.#connection.client.subscribe(
      name,
      { decode: "bytes", ...(recover === null ? {} : { recover }) },
      (publication) => this.#take(publication, name),
    );
    let isFirst = true;
    subscription.on("subscribed", ({ recovered, position, count }) => {
      const from = count > 0 ? `${plural(count, "publication")} from history` : "";
      if (isFirst) {
        const place = isPattern ? "pattern" : `offset ${position?.offset ?? 0}`;
        this.#tell(`subscribed to ${name} (${[place, from].filter(Boolean).join(", ")})`);
      } else if (recovered) this.#tell(`${name}: recovered${from === "" ? "" : `, ${from}`}`);
      if (!recovered) this.#lost(`${name}: NOT RECOVERED, publications may be missing`);
      isFirst = false;
    });
    subscription.on("gap", ({ channel, from, to, count, reason }) => {
      const what = count === null ? "publications" : plural(count, "publication");
      const where = from === null ? "" : ` (${from} to ${to})`;
      this.#lost(`${channel}: GAP, ${what}${where} not delivered: ${reason}`);
    });
    subscription.on("unsubscribed", (error) => {
      this.#fail(`${name}: ${error.message} (${error.code})`);
    });
    // The event above says why.
    subscription.ready().catch(() => {});
    return subscription;
  }

  #take(publication: Publication<Uint8Array>, name: string): void {
    if (this.#isEnded || this.#ownerOf(publication.channel) !== name) return;
    const output = this.#output;
    this.#options.write(publication, output);
    this.count++;
    if (this.count === this.#options.count) {
      this.#isEnded = true;
      this.#ended.resolve();
    } else if (output.queuedBytes > PAUSE_BYTES) this.#pause();
  }

  /** The first of the names that matches: a publication is written once. */
  #ownerOf(channel: string): string {
    const { names } = this.#options;
    if (names.length === 1) return names[0] as string;
    let owner = this.#owners.get(channel);
    if (owner === undefined) {
      owner = names.find((name) => patternMatches(name, channel)) ?? "";
      if (this.#owners.size >= MAX_OWNERS) this.#owners.clear();
      this.#owners.set(channel, owner);
    }
    return owner;
  }

  /** The reader of our output is behind: the broker holds the rest, and closes us when that gets too much. */
  #pause(): void {
    const { sockets } = this.#connection;
    if (this.#output.queuedBytes > MAX_QUEUED_BYTES) {
      this.#fail(`whoever reads the output is ${formatSize(MAX_QUEUED_BYTES)} behind`);
    }
    if (sockets.isPaused) return;
    sockets.pause();
    void this.#output.drained().then(() => sockets.resume());
  }

  #lost(sentence: string): void {
    say(sentence);
    if (this.#options.isStrict) this.#fail("ended by --strict");
  }

  #tell(sentence: string): void {
    if (!this.#options.isQuiet) say(sentence);
  }

  #fail(sentence: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#ended.reject(new CliError(sentence));
  }
}
