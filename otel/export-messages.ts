import type { DeliveryTrace } from "./delivery-trace.ts";
import type { MetricReadings } from "./metric-readings.ts";
import type { TelemetrySettings } from "./settings.ts";

/** What the thread that exports is started with. */
export interface ExportOptions {
  readonly settings: TelemetrySettings;
  readonly version: string;
  /** Id of this node. */
  readonly node: string;
  /** `OTEL_LOG_LEVEL`; null when it is not set. */
  readonly diagnosticLevel: string | null;
}

/** To the thread that exports. An `id` is answered by `done`, but for that of readings, which answers `read`. */
export type ExportCommand =
  | { readonly type: "trace"; readonly trace: DeliveryTrace }
  | { readonly type: "readings"; readonly id: number; readonly readings: MetricReadings | null }
  | { readonly type: "flush"; readonly id: number }
  | { readonly type: "shutdown"; readonly id: number };

/** From it. */
export type ExportEvent =
  | { readonly type: "started" }
  | { readonly type: "not-started"; readonly message: string }
  | {
      readonly type: "settled";
      readonly exported: number;
      /** Refused by the collector, or it could not be reached in time. */
      readonly failed: number;
      /** Told before, and so not exported again. */
      readonly repeated: number;
    }
  | { readonly type: "read"; readonly id: number }
  | { readonly type: "done"; readonly id: number; readonly isWell: boolean }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };
