/** The broker's logger, by shape. */
export interface Logger {
  log(
    level: "debug" | "info" | "warn" | "error",
    event: string,
    fields?: Readonly<Record<string, unknown>>,
  ): void;
}
