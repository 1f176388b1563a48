/** Directives beyond the usual ones. A list repeats the directive; a word list is written with spaces. */
export type Directives = Readonly<Record<string, string | number | readonly string[]>>;

/** Of Sentinels too. They log to the process that started them, and run as its children. */
export const SENTINEL_DIRECTIVES: Directives = {
  daemonize: "no",
  logfile: "",
  // Keeps the folder in the process list, by which a test, or a person, can tell whose server it is.
  "set-proc-title": "no",
};

/**
 * Small, quick and on loopback only: no snapshots, no waiting for more replicas before the first
 * synchronisation, no grace for lagging replicas at shutdown. DEBUG is for tests that reload or sleep.
 */
export const SERVER_DIRECTIVES: Directives = {
  ...SENTINEL_DIRECTIVES,
  "always-show-logo": "no",
  save: "",
  appendonly: "no",
  "enable-debug-command": "local",
  "repl-diskless-sync-delay": 0,
  "repl-ping-replica-period": 1,
  "shutdown-timeout": 0,
};

/** The text of a configuration file. Later values replace earlier ones of the same name. */
export function configText(...sets: readonly Directives[]): string {
  const merged: Directives = Object.assign({}, ...sets);
  const lines = Object.entries(merged).flatMap(([name, value]) =>
    Array.isArray(value)
      ? value.map((item) => `${name} ${item}`)
      : [`${name} ${value === "" ? '""' : String(value)}`],
  );
  return `${lines.join("\n")}\n`;
}

/** A value that holds spaces or quotes. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}
