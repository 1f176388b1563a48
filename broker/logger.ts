import { escapeUnsafe, logValue, stackOf } from "./log-values.ts";
import type { LogValue } from "./log-values.ts";
import { silentLogger, systemClock } from "./ports.ts";
import type { Clock, Logger, LogLevel } from "./ports.ts";

export interface LoggerOptions {
  /** "json" writes one JSON object a line to stdout, "pretty" lines for people to stderr. */
  readonly form: "pretty" | "json" | "silent";
  readonly level: LogLevel;
  readonly clock?: Clock;
  /** Takes a line without its line end; default: the stream of the form. */
  readonly write?: (line: string) => void;
  /** Default: whether stderr is a terminal and NO_COLOR is not set. */
  readonly useColor?: boolean;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

const COLOR: Readonly<Record<LogLevel, string>> = {
  debug: "\u001b[2m",
  info: "\u001b[32m",
  warn: "\u001b[33m",
  error: "\u001b[31m",
};

type Fields = Readonly<Record<string, unknown>>;

export function createLogger(options: LoggerOptions): Logger {
  const { form, clock = systemClock } = options;
  if (form === "silent") return silentLogger;
  const least = RANK[options.level];
  const write = options.write ?? boundedWriter(form === "json" ? process.stdout : process.stderr);
  const useColor =
    options.useColor ?? (process.stderr.isTTY && (process.env["NO_COLOR"] ?? "") === "");
  const format = form === "json" ? jsonLine : (...line: LineOf) => prettyLine(line, useColor);
  return {
    log: (level, event, fields = {}) => {
      if (RANK[level] >= least) write(format(level, event, fields, clock.wallMs()));
    },
  };
}

type LineOf = [level: LogLevel, event: string, fields: Fields, wallMs: number];

function jsonLine(level: LogLevel, event: string, fields: Fields, wallMs: number): string {
  const entry = new Map<string, LogValue>([
    ["level", level],
    ["event", event],
    ["time", new Date(wallMs).toISOString()],
  ]);
  for (const [name, value] of entriesOf(level, fields)) {
    entry.set(entry.has(name) ? `${name}_` : name, value);
  }
  return escapeUnsafe(JSON.stringify(Object.fromEntries(entry)));
}

function prettyLine([level, event, fields, wallMs]: LineOf, useColor: boolean): string {
  const time = new Date(wallMs).toISOString().slice(11, 23);
  const name = level.padEnd(5);
  const parts = entriesOf(level, fields).map(([field, value]) => `${field}=${prettyValue(value)}`);
  const start = useColor ? `${time} ${COLOR[level]}${name}\u001b[0m` : `${time} ${name}`;
  return [start, event, ...parts].join(" ");
}

function prettyValue(value: LogValue): string {
  const text = String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : escapeUnsafe(JSON.stringify(text));
}

function entriesOf(level: LogLevel, fields: Fields): [string, LogValue][] {
  const entries: [string, LogValue][] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    entries.push([name, logValue(name, value)]);
    if (level === "error" && value instanceof Error) entries.push(["stack", stackOf(value)]);
  }
  return entries;
}

/** Bytes that may wait for a reader of the log who has stopped reading. */
const MAX_WAITING_BYTES = 1024 * 1024;

interface Stream {
  readonly writableLength: number;
  write(text: string): boolean;
}

/** Writes lines, or drops and counts them while the stream is stuck: a full pipe must not fill memory. */
export function boundedWriter(stream: Stream): (line: string) => void {
  let dropped = 0;
  return (line) => {
    if (stream.writableLength > MAX_WAITING_BYTES) {
      dropped++;
      return;
    }
    if (dropped > 0)
      stream.write(`{"level":"warn","event":"log_lines_dropped","count":${dropped}}\n`);
    dropped = 0;
    stream.write(`${line}\n`);
  };
}
