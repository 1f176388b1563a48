import type { Logger, LogLevel } from "../../broker/ports.ts";

export interface LogEntry {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Keeps what is logged. */
export class MemoryLogger implements Logger {
  readonly entries: LogEntry[] = [];

  log(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.entries.push({ level, event, fields });
  }

  events(): string[] {
    return this.entries.map(({ event }) => event);
  }
}
