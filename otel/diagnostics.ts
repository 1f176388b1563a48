import { diag, DiagLogLevel } from "@opentelemetry/api";
import { diagLogLevelFromString } from "@opentelemetry/core";

import type { Logger } from "./logger.ts";
import { OnceInAWhile } from "./once-in-a-while.ts";

/** Longer messages are cut: failed exports come with whole stacks as JSON. */
const MAX_MESSAGE_CHARS = 500;

/**
 * Hands what the SDK says of itself to the broker's log, once in a while for each level: a collector that is down would
 * otherwise fill it. Exports that fail are told apart from this, so these lines are for whoever debugs the SDK.
 */
export function tellDiagnostics(logger: Logger, wanted: string | null): void {
  const often = new OnceInAWhile();
  const tell = (level: "debug" | "info" | "warn" | "error") => (message: string) => {
    const suppressed = often.pass(level);
    if (suppressed === null) return;
    const text = message.slice(0, MAX_MESSAGE_CHARS);
    logger.log("debug", "telemetry_diagnostic", { severity: level, message: text, suppressed });
  };
  diag.setLogger(
    {
      error: tell("error"),
      warn: tell("warn"),
      info: tell("info"),
      debug: tell("debug"),
      verbose: tell("debug"),
    },
    {
      logLevel: diagLogLevelFromString(wanted ?? undefined) ?? DiagLogLevel.WARN,
      suppressOverrideMessage: true,
    },
  );
}
