import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";

import type { ExportCommand, ExportEvent, ExportOptions } from "./export-messages.ts";
import type { Logger } from "./logger.ts";
import type { MetricReadings } from "./metric-readings.ts";
import { startSdk } from "./sdk.ts";
import type { RunningSdk } from "./sdk.ts";

/** The broker's thread is always there first. */
const port = parentPort as NonNullable<typeof parentPort>;

/**
 * Deliveries go before exports when there are not processors for both. Where it would slow down the whole process and
 * not the thread alone, it is left out.
 */
const NICE_INCREMENT = process.platform === "linux" ? 10 : 0;

function tell(event: ExportEvent): void {
  port.postMessage(event);
}

const logger: Logger = {
  log: (level, event, fields = {}) => tell({ type: "log", level, event, fields }),
};

/** Who waits for readings, by what they were asked with. */
const waiting = new Map<number, (readings: MetricReadings | null) => void>();
let nextId = 1;

function readMetrics(): Promise<MetricReadings | null> {
  const { promise, resolve } = Promise.withResolvers<MetricReadings | null>();
  const id = nextId++;
  waiting.set(id, resolve);
  tell({ type: "read", id });
  return promise;
}

/** A collector that is down makes it reject: what it did not take has been told then. */
async function ends(work: Promise<void>, id: number): Promise<void> {
  const isWell = await work.then(
    () => true,
    () => false,
  );
  tell({ type: "done", id, isWell });
}

function obey(sdk: RunningSdk, command: ExportCommand): void {
  switch (command.type) {
    case "trace": {
      const repeated = sdk.trace(command.trace);
      if (repeated > 0) tell({ type: "settled", exported: 0, failed: 0, repeated });
      break;
    }
    case "readings":
      waiting.get(command.id)?.(command.readings);
      waiting.delete(command.id);
      break;
    case "flush":
      void ends(sdk.flush(), command.id);
      break;
    case "shutdown":
      void ends(sdk.shutdown(), command.id);
  }
}

function start(): void {
  const options = workerData as ExportOptions;
  const sdk = startSdk({
    ...options,
    logger,
    readMetrics,
    settled: (count, isExported) =>
      tell({
        type: "settled",
        exported: isExported ? count : 0,
        failed: isExported ? 0 : count,
        repeated: 0,
      }),
  });
  port.on("message", (command: ExportCommand) => obey(sdk, command));
  tell({ type: "started" });
}

try {
  setPriority(0, NICE_INCREMENT);
  start();
} catch (error) {
  tell({ type: "not-started", message: error instanceof Error ? error.message : String(error) });
}
