import type { RunningTelemetry } from "../../../otel/telemetry.ts";
import { startTelemetry } from "../../../otel/telemetry.ts";
import { MemoryLogger } from "../memory-logger.ts";

/** Telemetry of this process, and what it logged. Disposing of it ends it. */
export class Exporting implements AsyncDisposable {
  readonly logger: MemoryLogger;
  readonly telemetry: RunningTelemetry;

  private constructor(telemetry: RunningTelemetry, logger: MemoryLogger) {
    this.telemetry = telemetry;
    this.logger = logger;
  }

  /**
   * Starts with these variables and no others of OpenTelemetry's: the SDK's exporters read the environment of the process
   * when they are made.
   * @throws when they turn telemetry off
   */
  static async start(env: Readonly<Record<string, string>>): Promise<Exporting> {
    const logger = new MemoryLogger();
    const kept = new Map<string, string | undefined>();
    for (const name of Object.keys(process.env)) {
      if (!name.startsWith("OTEL_")) continue;
      kept.set(name, process.env[name]);
      delete process.env[name];
    }
    Object.assign(process.env, env);
    try {
      const telemetry = await startTelemetry({
        env: process.env,
        logger,
        version: "1.2.3",
        node: "node-a",
      });
      if (telemetry === null)
        throw new Error(`telemetry is off: ${JSON.stringify(logger.entries)}`);
      return new Exporting(telemetry, logger);
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
      for (const [name, value] of kept) process.env[name] = value;
    }
  }

  get sink(): NonNullable<RunningTelemetry["sink"]> {
    const { sink } = this.telemetry;
    if (sink === null) throw new Error("traces are not exported");
    return sink;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.telemetry.shutdown(100);
  }
}
