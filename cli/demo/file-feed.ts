import { readFileSync } from "node:fs";
import { basename } from "node:path";

import { CliError } from "../errors.ts";
import { plural } from "../format.ts";
import { LineSplitter } from "../lines/line-splitter.ts";
import { RecordedPace } from "../lines/pace.ts";
import type { Feed, FeedItem } from "./feed.ts";
import { detectLineTime } from "./line-time.ts";

/** The file is held in memory, because it is played again and again. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
/** Lines a second of a feed without times. */
const DEFAULT_PER_SECOND = 1000;

/** A recorded feed, NDJSON or CSV, played with its own gaps, faster or slower, and from the start when it ends. */
export class FileFeed implements Feed {
  readonly channels: readonly string[];
  readonly description: string;
  readonly #items: readonly FeedItem[];
  /** Of one round, ms. */
  readonly #lengthMs: number;
  #index = 0;
  #round = 0;

  /**
   * @param speed 2 plays twice as fast; null chooses one at which the whole file lasts `targetMs`
   * @throws CliError
   */
  constructor(path: string, speed: number | null, targetMs: number) {
    const lines = readLines(path);
    const first = lines[0];
    if (first === undefined) throw new CliError(`${path} has no lines`);
    const time = detectLineTime(first);
    const fallback = `market.${basename(path).replace(/\.[^.]*$/, "")}`.replaceAll(
      /[^A-Za-z0-9_.:/@-]/g,
      "-",
    );
    let dueMs = (index: number, _line: Uint8Array): number => (index * 1000) / DEFAULT_PER_SECOND;
    let pace = `${DEFAULT_PER_SECOND} a second`;
    if (time !== null) {
      const spanMs = spanOf(lines, new RecordedPace(time.timeOf, 1));
      const chosen = speed ?? Math.max(1, spanMs / targetMs);
      const recorded = new RecordedPace(time.timeOf, chosen);
      dueMs = (_index, line) => recorded.dueMs(line);
      pace = `paced by ${time.name}, ${speedText(chosen)}`;
    }
    this.#items = lines.map((payload, index) => ({
      channel: channelOf(payload) ?? fallback,
      payload,
      dueMs: dueMs(index, payload),
    }));
    this.#lengthMs = (this.#items.at(-1)?.dueMs ?? 0) + 1000 / DEFAULT_PER_SECOND;
    this.channels = byCount(this.#items);
    this.description = `${basename(path)}, ${plural(lines.length, "line")}, ${pace}`;
  }

  next(): FeedItem {
    const item = this.#items[this.#index] as FeedItem;
    const dueMs = item.dueMs + this.#round * this.#lengthMs;
    if (++this.#index === this.#items.length) {
      this.#index = 0;
      this.#round++;
    }
    return { ...item, dueMs };
  }
}

function readLines(path: string): Uint8Array[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  const splitter = new LineSplitter(MAX_FILE_BYTES);
  const lines = [...splitter.push(bytes)];
  const last = splitter.end();
  return last === null ? lines : [...lines, last];
}

function spanOf(lines: readonly Uint8Array[], pace: RecordedPace): number {
  let spanMs = 0;
  for (const line of lines) spanMs = pace.dueMs(line);
  return spanMs;
}

function speedText(speed: number): string {
  return speed === 1
    ? "as recorded"
    : `${speed < 10 ? speed.toFixed(1) : speed.toFixed(0)} times as fast`;
}

/** `market.<symbol>` for JSON lines that name one. */
function channelOf(line: Uint8Array): string | null {
  if (line[0] !== 0x7b) return null;
  const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("latin1");
  const symbol = /"(?:symbol|s)":"([A-Za-z0-9_:/@-]{1,64})"/.exec(text)?.[1];
  return symbol === undefined ? null : `market.${symbol.toLowerCase()}`;
}

/** Channels by how much comes on them. */
function byCount(items: readonly FeedItem[]): string[] {
  const counts = new Map<string, number>();
  for (const { channel } of items) counts.set(channel, (counts.get(channel) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a).map(([channel]) => channel);
}
