import { parentPort } from "node:worker_threads";

import type { ExportCommand } from "../../../otel/export-messages.ts";

/** In the place of the exporter: starts, and ends with the first trace it gets. */
parentPort?.on("message", ({ type }: ExportCommand) => {
  if (type === "trace") process.exit(7);
});
parentPort?.postMessage({ type: "started" }, []);
