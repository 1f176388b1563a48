import { formatCount, formatSize, plural } from "../format.ts";
import { payloadText } from "../sub/payload-text.ts";
import type { Stage } from "./stage.ts";
import type { Watcher } from "./watcher.ts";

export interface DemoState {
  readonly url: string;
  readonly brokerPid: number;
  readonly feedDescription: string;
  readonly elapsedMs: number;
  readonly totalMs: number;
  readonly stage: Stage;
  /** Channels of the feed, in the order they are shown. */
  readonly channels: readonly string[];
}

/** Colours, or none where they are not wanted. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
}

export function createPaint(useColor: boolean): Paint {
  const paint = (code: number) => (text: string) =>
    useColor ? `\u001b[${code}m${text}\u001b[0m` : text;
  return {
    bold: paint(1),
    dim: paint(2),
    green: paint(32),
    red: paint(31),
    yellow: paint(33),
  };
}

const HEADING = [
  "subscriber".padEnd(13),
  "listens to".padEnd(20),
  "received".padStart(9),
  "per s".padStart(8),
  "p50 ms".padStart(9),
  "p99 ms".padStart(9),
  "behind".padStart(8),
].join("");

/** What the lines of a log begin with. */
export function renderTitle({ url, brokerPid, feedDescription }: DemoState): string {
  return `broker at ${url}, process ${brokerPid}; ${feedDescription}`;
}

/** One line for a log: what happened so far. */
export function renderLine(state: DemoState): string {
  const { player, log, watchers } = state.stage;
  const nowMs = performance.now();
  const parts = watchers.map((watcher) => {
    const [p50, p99] = watcher.latency.percentiles([0.5, 0.99]) ?? [];
    const behind = watcher.behind > 100 ? `, ${formatCount(watcher.behind)} behind` : "";
    return `${watcher.name} ${latencyText(p50)}/${latencyText(p99)} ms${behind}`;
  });
  const rate = formatCount(player.rate.perSecond(nowMs));
  const seconds = (state.elapsedMs / 1000).toFixed(0).padStart(3);
  return `${seconds} s  ${formatCount(log.count)} published, ${rate}/s  p50/p99: ${parts.join("  ")}`;
}

/** What is left to read when it is over. */
export function renderSummary(state: DemoState, paint: Paint): string[] {
  const { watchers } = state.stage;
  const nowMs = performance.now();
  return [
    HEADING,
    ...watchers.map((watcher) => watcherLine(watcher, nowMs, paint)),
    ...noteLines(watchers, paint),
    checkLine(watchers, paint),
  ];
}

/** The whole screen, at most 80 columns and 23 lines. */
export function renderScreen(state: DemoState, paint: Paint): string[] {
  const { player, log, watchers } = state.stage;
  const nowMs = performance.now();
  return [
    `${paint.bold("Tickwire demo")}  ${state.url}, process ${state.brokerPid}`,
    paint.dim(clip(state.feedDescription)),
    progressBar(state, paint),
    "",
    `published ${paint.bold(formatCount(log.count))}, ${formatSize(log.bytes)}, ` +
      `now ${paint.bold(formatCount(player.rate.perSecond(nowMs)))}/s, peak ${formatCount(player.peakPerSecond)}/s`,
    "",
    paint.dim(HEADING),
    ...watchers.map((watcher) => watcherLine(watcher, nowMs, paint)),
    "",
    ...tickerLines(state, paint),
    "",
    ...noteLines(watchers, paint),
    checkLine(watchers, paint),
    paint.dim("Ctrl-C ends."),
  ];
}

function progressBar({ elapsedMs, totalMs }: DemoState, paint: Paint): string {
  const width = 60;
  const done = Math.min(width, Math.round((elapsedMs / totalMs) * width));
  const seconds = `${(elapsedMs / 1000).toFixed(0)} s of ${(totalMs / 1000).toFixed(0)} s`;
  return `${paint.green("━".repeat(done))}${paint.dim("─".repeat(width - done))}  ${seconds}`;
}

function watcherLine(watcher: Watcher, nowMs: number, paint: Paint): string {
  const [p50, p99] = watcher.latency.percentiles([0.5, 0.99]) ?? [];
  const behind = formatCount(watcher.behind).padStart(8);
  const name = watcher.name.padEnd(13);
  return [
    watcher.isConnected ? name : paint.yellow(name),
    clip(watcher.listensTo, 19).padEnd(20),
    formatCount(watcher.received).padStart(9),
    formatCount(watcher.rate.perSecond(nowMs)).padStart(8),
    latencyText(p50).padStart(9),
    latencyText(p99).padStart(9),
    watcher.behind > 100 ? paint.yellow(behind) : behind,
  ].join("");
}

function latencyText(ms: number | undefined): string {
  if (ms === undefined) return "-";
  return ms < 10 ? ms.toFixed(2) : formatCount(ms);
}

const TICKER_LINES = 4;
const TICKER_COLUMNS = 2;
const TICKER_WIDTH = 38;

/** The newest publication of the first channels, two in a line. */
function tickerLines({ channels, stage }: DemoState, paint: Paint): string[] {
  const cells = channels.slice(0, TICKER_LINES * TICKER_COLUMNS).map((channel) => {
    const payload = stage.player.latest.get(channel);
    return { channel, text: payload === undefined ? "" : payloadText(payload).text };
  });
  if (cells.length === 1 && cells[0] !== undefined) {
    return [paint.dim(cells[0].channel), clip(cells[0].text)];
  }
  const lines: string[] = [];
  for (let i = 0; i < cells.length; i += TICKER_COLUMNS) {
    const row = cells.slice(i, i + TICKER_COLUMNS).map(({ channel, text }) => {
      const name = channel.replace(/^market\./, "");
      const shown = clip(quoteText(text), TICKER_WIDTH - name.length - 1);
      return `${paint.dim(name)} ${shown.padEnd(TICKER_WIDTH - name.length - 1)}`;
    });
    lines.push(row.join("  ").trimEnd());
  }
  return lines;
}

/** Bid and ask of a quote; anything else as it is. */
function quoteText(text: string): string {
  const [, bid, ask] = /"bid":([\d.]+),"ask":([\d.]+)/.exec(text) ?? [];
  return bid === undefined || ask === undefined ? text : `${bid} / ${ask}`;
}

function noteLines(watchers: readonly Watcher[], paint: Paint): string[] {
  return watchers
    .filter(({ reconnects, isConnected }) => reconnects > 0 || !isConnected)
    .map(({ name, reconnects, recovered, isConnected }) => {
      const state = isConnected ? "" : paint.yellow(" (reconnecting now)");
      return `${name}: connection cut ${plural(reconnects, "time")}, ${plural(recovered, "publication")} recovered${state}`;
    });
}

/** What every subscriber checks all the time. */
function checkLine(watchers: readonly Watcher[], paint: Paint): string {
  const sum = (pick: (watcher: Watcher) => number): number =>
    watchers.reduce((total, watcher) => total + pick(watcher), 0);
  const lost = sum(({ lost: count }) => count);
  const doubled = sum(({ doubled: count }) => count);
  const verdict = `${formatCount(lost)} lost, ${formatCount(doubled)} doubled`;
  const deliveries = formatCount(sum(({ received }) => received));
  const isGood = lost + doubled === 0;
  return `${deliveries} deliveries checked: ${isGood ? paint.green(verdict) : paint.red(verdict)}`;
}

function clip(text: string, width = 80): string {
  return text.length > width ? `${text.slice(0, width - 3)}...` : text;
}
