/** The package's main entry: what config files and programs that embed a broker import as `tickwire`. */
export { Broker } from "./broker.ts";
export { BrokerError, TransformChangeError } from "./api.ts";
export type { BrokerApi, ChannelSummary, ConnectionSummary, HealthReport } from "./api.ts";
export { buildConfig, defineConfig } from "./config/config.ts";
export type { BrokerConfig, ConfigInput } from "./config/config.ts";
export { ConfigError } from "./config/config-error.ts";
export type { TransformFailurePolicy, TransformInput } from "./config/transforms.ts";
export type { ConfigProblem } from "./config/config-error.ts";
export { createBroker, startBrokerTelemetry } from "./main.ts";
export type { BrokerOptions } from "./main.ts";
export type {
  Clock,
  Logger,
  LogLevel,
  TransformChange,
  TransformOutcome,
  TransformStatus,
} from "./ports.ts";
